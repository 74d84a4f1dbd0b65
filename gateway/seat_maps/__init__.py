"""Seat maps: a snapshot of each show in memory, kept right by the writers' messages."""
