"""Fault injection: real processes, killed under load."""
