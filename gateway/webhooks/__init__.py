"""Endpoints of webhooks, for staff. What is sent to them is in the package `webhooks`."""
