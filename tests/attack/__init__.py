"""Attacks on a gateway from outside, and what they cost it."""
