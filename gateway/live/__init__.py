"""WebSockets: the live seat map, a customer's own bookings, the venue's events."""
