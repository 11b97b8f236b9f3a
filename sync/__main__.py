"""`python -m sync` is the command line."""

from sync.cli import main

main()
