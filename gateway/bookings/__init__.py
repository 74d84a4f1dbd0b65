"""Endpoints to book, hold, confirm and cancel, and to read bookings."""
