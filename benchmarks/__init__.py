"""Figures beside their floors: what the service costs, and the least that it could cost, measured in the same run."""
