"""Results of a benchmark: kept, summed up, printed and drawn."""
