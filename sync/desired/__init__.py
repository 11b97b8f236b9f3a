"""What every list should hold, and what may leave it and why: pure functions of the catalogue."""
