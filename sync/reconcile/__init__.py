"""One list on one cluster: observed, planned, and the status that an attempt leaves (pure)."""
