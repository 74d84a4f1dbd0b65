"""`aisle up`: the supervisor, the embedded servers and the home."""
