"""The door: scans of tickets, undone check-ins, and who is in."""
