"""How the commands show their values: text, or one JSON document. Nothing is decided here."""
