"""Tells customers what happened: events become letters, each sent once as far as the outside world allows."""
