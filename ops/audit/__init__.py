"""Audit of the log: `aisle verify`, `explain` and `rebuild`."""
