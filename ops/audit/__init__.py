"""The log decided again: `aisle verify`, `explain` and `rebuild`."""
