"""A show's bookings in little memory: columns and packed keys instead of objects. Pure."""
