"""What every list should hold, what may leave it, and why: pure functions of the catalogue."""
