"""Reports on sales, customers and occupancy, aggregated from the decisions, as JSON and CSV."""
