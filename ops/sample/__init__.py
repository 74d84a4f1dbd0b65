"""Sample data: movies, halls and shows for trials."""
