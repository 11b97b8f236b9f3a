"""One list on one cluster: observed, planned, and the status after an attempt (pure)."""
