"""A crowd for trials and demonstrations: invented customers who compete for the seats of one show over the real API."""
