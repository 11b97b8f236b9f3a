"""The stack on one machine: stand-ins that speak the real protocols, and a host that runs function_app.py."""
