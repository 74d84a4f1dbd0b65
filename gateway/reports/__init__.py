"""What was sold, to whom and how full the halls were: added up from the decisions, as JSON and CSV."""
