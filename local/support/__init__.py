"""What the stand-ins share: HTTPS servers, ports, processes, certificates."""
