"""A show's bookings in compact form: columns and packed keys instead of objects. Pure."""
