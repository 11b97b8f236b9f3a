"""Read models for every surface: what is said of secrets, lists and removals (pure)."""
