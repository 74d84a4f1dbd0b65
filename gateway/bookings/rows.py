"""Rows of the table `bookings`."""

from __future__ import annotations

from typing import Any

from schemas.events import Booking, BookingStatus


def booking_of_row(row: Any) -> Booking:
    """Returns the booking in a row that has at least the columns booking_id to expires_ms."""
    return Booking(
        booking_id=row["booking_id"],
        show_id=row["show_id"],
        user_id=row["user_id"],
        status=BookingStatus(row["status"]),
        seats=tuple(row["seats"]),
        total=row["total"],
        currency=row["currency"],
        created_ms=row["created_ms"],
        expires_ms=row["expires_ms"],
    )
