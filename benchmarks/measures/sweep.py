"""The verification of 1,000 clusters in sync; see `benchmarks.measures.fleet`."""

from benchmarks.measures.fleet import sweep as run

__all__ = ["run"]
