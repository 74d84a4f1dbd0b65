"""Tickets as PDF."""
