"""Results of a benchmark: files, summaries, tables and pictures."""
