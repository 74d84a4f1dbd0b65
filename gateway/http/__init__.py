"""HTTP for every route: exchanges, bodies, queries, headers and errors. Imports no feature."""
