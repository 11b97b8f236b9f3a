"""Tests against servers and programs that others wrote: `make e2e`; `make test` does not collect them."""
