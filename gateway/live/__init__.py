"""WebSockets: seat maps, a customer's bookings, and all events for staff."""
