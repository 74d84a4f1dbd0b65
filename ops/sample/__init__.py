"""Sample data: movies, halls and shows to try things out."""
