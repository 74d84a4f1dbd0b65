"""HTTP as every route has it: exchanges, bodies, queries, headers, errors. Knows no feature."""
