"""Booking, holding, confirming, cancelling, and reading bookings."""
