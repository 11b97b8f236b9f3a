"""The outside world behind the ports; foreign errors become those of `sync.errors` here."""
