"""One change pushed to 1,000 clusters; see `benchmarks.measures.fleet`."""

from benchmarks.measures.fleet import push as run

__all__ = ["run"]
