"""Text for commands: the request and the caller."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.api import timestamp
from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeSeats,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    HoldSeats,
    OpenShow,
    ReopenShow,
    ScanTicket,
    SwapSeats,
    UnblockSeats,
    UndoCheckIn,
)
from tickets.formats import money

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
            more = "".join(_more(command))
            return f"{verb} {_which(command)} of {show} as booking {command.booking_id}{more}"
        case ConfirmBooking():
            return f"confirm booking {command.booking_id} of {show}"
        case CancelBooking():
            return f"cancel booking {command.booking_id} of {show}"
        case ExtendHold():
            return f"extend the hold of booking {command.booking_id} of {show}"
        case ChangeSeats():
            return f"give booking {command.booking_id} of {show} the seats {list_seats(command.seats)}"
        case SwapSeats():
            return (
                f"exchange the seats of bookings {command.booking_id} and {command.with_booking_id} of {show}"
            )
        case CheckIn():
            return f"let the holder of {command.seat} of booking {command.booking_id} into {show}"
        case ScanTicket():
            return f"scan the ticket of seat {command.seat_index} of booking {command.booking_id} for {_door(command)}"
        case UndoCheckIn():
            return f"take back the check-in of seat {command.seat_index} of booking {command.booking_id} of {show}"
        case BlockSeats():
            block = describe_block(command.code, command.release_ms)
            return f"withhold {list_seats(command.seats)} of {show} from sale{block}"
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
            return f"release the holds of {show} that have run out, and the blocks that end"


def list_seats(seats: tuple[str, ...]) -> str:
    """Returns the first dozen labels and the number of the others."""
    shown = ", ".join(seats[:_SHOWN_SEATS])
    return (
        f"{shown} and {len(seats) - _SHOWN_SEATS} more" if len(seats) > _SHOWN_SEATS else shown or "no seats"
    )


def describe_owner(user_id: int) -> str:
    """Returns the owner of a booking: a customer, or somebody without an account."""
    return f"user {user_id}" if user_id else "a walk-in"


def describe_block(code: str | None, release_ms: int | None) -> str:
    """Returns what seats are blocked for and until when, with a blank before; nothing for a plain block."""
    code_text = f" for {code}" if code is not None else ""
    return code_text + (f" until {timestamp(release_ms)}" if release_ms is not None else "")


def _door(command: ScanTicket) -> str:
    """Returns the show of the door, its gate and the time of a late scan."""
    gate = f" at gate {command.gate}" if command.gate is not None else ""
    late = f", late, of {timestamp(command.at_ms)}" if command.at_ms is not None else ""
    unsigned = ", by an unsigned code" if command.unsigned_until_ms is not None else ""
    return f"show {command.wanted_show_id or command.show_id}{gate}{late}{unsigned}"


def _which(command: BookSeats | HoldSeats) -> str:
    if not command.quantity:
        return list_seats(command.seats)
    kind = "accessible and companion " if command.kind == "accessible" else ""
    together = " side by side" if command.adjacent and command.quantity > 1 else ""
    section = f" in {command.section!r}" if command.section is not None else ""
    price = f" for at most {money(command.max_price, 'en')} each" if command.max_price is not None else ""
    return f"the best {command.quantity} {kind}seats{together}{section}{price}"


def _more(command: BookSeats | HoldSeats) -> Iterator[str]:
    """Yields the owner and the conditions of a booking, where they are not the sender's own."""
    if command.staff:
        if command.walk_in:
            yield " for a walk-in"
        elif command.customer_id:
            yield f" for user {command.customer_id}"
        if command.lift_limit:
            yield ", without the customer's limit"
        if command.paid:
            yield ", paid for"
        if command.noted:
            yield ", with a note"
    elif command.customer_id:
        yield f" for user {command.customer_id}"
    if command.sharing:
        yield f", and the equal requests of {', '.join(f'user {user_id}' for user_id in command.sharing)}"


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
    if isinstance(command, OpenShow) and command.payment != "none":
        terms.append("customers pay before a booking is confirmed")
    return terms
