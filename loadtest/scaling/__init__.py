"""Scaling and rolling restarts under load: what clients notice of processes that are added, replaced and killed."""
