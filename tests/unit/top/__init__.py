"""`aisle top` without a terminal and without a running Aisle."""
