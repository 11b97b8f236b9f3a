"""`python -m sync` is the command line."""

from sync.cli.app import main

main()
