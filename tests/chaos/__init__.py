"""Real processes, killed under load."""
