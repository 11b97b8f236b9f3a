"""One change pushed to 1,000 clusters; see `benchmarks.fleet`."""

from benchmarks.fleet import push as run

__all__ = ["run"]
