"""`aisle top`: what a running Aisle does, in the terminal."""
