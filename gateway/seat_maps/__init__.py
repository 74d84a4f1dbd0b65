"""Seat maps: a snapshot of each show in memory, kept current by the messages of seat workers."""
