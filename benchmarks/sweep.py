"""The verification of 1,000 clusters in sync; see `benchmarks.fleet`."""

from benchmarks.fleet import sweep as run

__all__ = ["run"]
