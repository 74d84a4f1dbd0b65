"""Text for commands: the request and the caller."""

from __future__ import annotations

from schemas.api import timestamp
from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    HoldSeats,
    OpenShow,
    ReopenShow,
    UnblockSeats,
)

_SHOWN_SEATS = 12


def describe_caller(command: Command) -> str:
    """Returns the caller of a command: a customer, staff or Aisle itself."""
    if command.user_id == 0:
        return "Aisle itself"
    return f"{'staff' if command.staff else 'customer'}, user {command.user_id}"


def describe_command(command: Command) -> str:
    """Returns the request of a command, with its ids."""
    show = f"show {command.show_id}"
    match command:
        case BookSeats() | HoldSeats():
            verb = "book" if isinstance(command, BookSeats) else f"hold for {command.hold_ms / 1000:g} s"
            owner = f" for user {command.customer_id}" if command.customer_id else ""
            return f"{verb} {_which(command)} of {show} as booking {command.booking_id}{owner}"
        case ConfirmBooking():
            return f"confirm booking {command.booking_id} of {show}"
        case CancelBooking():
            return f"cancel booking {command.booking_id} of {show}"
        case CheckIn():
            return f"let the holder of {command.seat} of booking {command.booking_id} into {show}"
        case BlockSeats():
            return f"withhold {list_seats(command.seats)} of {show} from sale"
        case UnblockSeats():
            return f"put {list_seats(command.seats)} of {show} back on sale"
        case OpenShow() | ChangeShow():
            verb = "open" if isinstance(command, OpenShow) else "change"
            terms = ", ".join(_terms(command)) or "nothing new"
            return f"{verb} {show}: {terms}"
        case CloseShow():
            return f"close {show}"
        case ReopenShow():
            return f"open {show} again"
        case CancelShow():
            return f"go on calling {show} off" if command.user_id == 0 else f"call {show} off"
        case ExpireHolds():
            return f"release the holds of {show} that have run out"


def list_seats(seats: tuple[str, ...]) -> str:
    """Returns the first dozen labels and the number of the others."""
    shown = ", ".join(seats[:_SHOWN_SEATS])
    return (
        f"{shown} and {len(seats) - _SHOWN_SEATS} more" if len(seats) > _SHOWN_SEATS else shown or "no seats"
    )


def _which(command: BookSeats | HoldSeats) -> str:
    if not command.quantity:
        return list_seats(command.seats)
    together = " side by side" if command.adjacent and command.quantity > 1 else ""
    section = f" in {command.section!r}" if command.section is not None else ""
    return f"the best {command.quantity} seats{together}{section}"


def _terms(command: OpenShow | ChangeShow) -> list[str]:
    terms = []
    if isinstance(command, OpenShow):
        terms.append(f"layout {command.layout_id}")
    if command.starts_ms is not None:
        terms.append(f"starts {timestamp(command.starts_ms)}")
    if command.seats_per_customer is not None:
        terms.append(f"at most {command.seats_per_customer} seats a customer")
    for name, at_ms in (("start", command.sales_start_ms), ("end", command.sales_end_ms)):
        if at_ms is not None:
            terms.append(f"sales {name} {timestamp(at_ms)}" if at_ms else f"no time at which sales {name}")
    return terms
