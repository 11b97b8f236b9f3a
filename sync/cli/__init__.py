"""The command line `trustcast`."""
