"""The benchmarks: each module has `run`, which gives a report."""
