"""The whole way of a certificate, step by step, each step checked: `python -m local.demo`."""
