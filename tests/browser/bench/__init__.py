"""`make bench-site`: how quick the site is in a browser. Figures, not tests: nothing here fails because it is slow."""
