"""Books through the generated client and prints its models as JSON. Run by the generator's Python."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from aisle_client import AuthenticatedClient, Client
from aisle_client.api.accounts import get_me, log_in, sign_up
from aisle_client.api.bookings import (
    book_seats,
    cancel_booking,
    change_seats,
    confirm_booking,
    extend_hold,
    get_booking,
    get_command,
    get_seat_map,
    get_ticket_pdf,
    hold_seats,
    list_my_bookings,
    swap_seats,
)
from aisle_client.api.movies_and_shows import create_show, list_movies, list_shows
from aisle_client.api.reports import sales_report
from aisle_client.models import (
    BookRequest,
    ChangeSeatsRequest,
    HoldRequest,
    ListMyBookingsStatus,
    LoginBody,
    MoneyBody,
    NewShowBody,
    ProblemBody,
    SignupBody,
    SwapSeatsRequest,
)


def named(value: Any) -> str:
    """Returns the name of a value's type."""
    return type(value).__name__


def main(url: str, staff_token: str, name: str) -> dict[str, Any]:
    """Runs one customer from the sign-up to the cancelled booking."""
    facts: dict[str, Any] = {}
    anybody = Client(base_url=url)
    staff = AuthenticatedClient(base_url=url, token=staff_token)
    password = f"a long one, {name}"
    new = SignupBody(username=name, email=f"{name}@example.com", password=password)
    user = sign_up.sync(client=anybody, body=new)
    facts["user"] = [named(user), user.email, named(user.created_at), user.role.value]
    again = sign_up.sync_detailed(client=anybody, body=new)
    facts["taken"] = [int(again.status_code), named(again.parsed), again.parsed.code]
    tokens = log_in.sync(client=anybody, body=LoginBody(username=name, password=password))
    me = AuthenticatedClient(base_url=url, token=tokens.access)
    facts["me"] = get_me.sync(client=me).id == user.id

    movie = list_movies.sync(client=anybody, limit=1).items[0]
    wanted = NewShowBody(
        movie_id=movie.id,
        screen_name="Generated",
        starts_at=datetime(2099, 1, 1, 20, tzinfo=UTC),
        total_seats=20,
        price=MoneyBody(amount=1250, currency="EUR"),
    )
    show = create_show.sync(client=staff, body=wanted, idempotency_key=f"show-{name}")
    facts["show"] = [named(show), named(show.starts_at), show.status.value, show.sales_end_at]
    facts["listed"] = show.id in [
        one.id for one in list_shows.sync(client=anybody, movie=movie.id, limit=100).items
    ]
    facts["states"] = get_seat_map.sync(show.id, client=anybody).states

    booking = book_seats.sync(
        show.id, client=me, body=BookRequest(seats=["3", "2"]), prefer="wait=20", idempotency_key="k1"
    )
    facts["booking"] = [
        named(booking), named(booking.id), named(booking.created_at), booking.expires_at, booking.seats,
        booking.total.to_dict(), named(booking.decided), booking.decided.offset > 0,
    ]  # fmt: skip
    refused = book_seats.sync_detailed(show.id, client=me, body=BookRequest(seats=["2"]))
    problem = refused.parsed
    facts["refused"] = [
        int(refused.status_code), named(problem), problem.code, problem.type_, problem.seats,
        named(problem.decided),
    ]  # fmt: skip
    wrong = book_seats.sync(show.id, client=me, body=BookRequest(seats=[""]))
    facts["wrong"] = [wrong.code, [error.field for error in wrong.errors]]

    pending = book_seats.sync(show.id, client=me, body=BookRequest(seats=["5"]), prefer="respond-async")
    facts["pending"] = [named(pending), pending.status.value]
    status = get_command.sync(pending.command, client=me, prefer="wait=20")
    facts["command status"] = [named(status), named(status.booking), status.booking.seats]
    pending = book_seats.sync(show.id, client=me, body=BookRequest(seats=["5"]), prefer="respond-async")
    status = get_command.sync(pending.command, client=me, prefer="wait=20")
    facts["refused command status"] = [
        named(status),
        named(status.problem),
        status.problem.code,
        named(status.problem.decided),
    ]
    beyond = f"{booking.decided.partition}-{10**12}"
    facts["beyond"] = get_command.sync(beyond, client=me).code

    held = hold_seats.sync(show.id, client=me, body=HoldRequest(quantity=2, hold_s=600))
    facts["held"] = [held.status.value, named(held.expires_at)]
    own = hold_seats.sync(show.id, client=me, body=HoldRequest(seats=held.seats))
    facts["yours"] = [own.code, [[named(one), one.id == held.id, one.seats] for one in own.yours] == [
        ["OwnBookingBody", True, held.seats]
    ]]  # fmt: skip
    extended = extend_hold.sync(held.id, client=me)
    facts["extended"] = [named(extended), extended.expires_at > held.expires_at]
    changed = change_seats.sync(held.id, client=me, body=ChangeSeatsRequest(seats=["19", "20"]))
    facts["changed"] = [changed.seats, changed.expires_at == extended.expires_at]
    walk_in = book_seats.sync(
        show.id, client=staff, body=BookRequest(seats=["18"], note="Back row", max_price=None)
    )
    facts["walk-in"] = [walk_in.user_id, walk_in.note]
    swapped = swap_seats.sync(held.id, client=staff, body=SwapSeatsRequest(with_=walk_in.id))
    facts["swapped"] = [swapped.id == held.id, swapped.seats]
    limited = hold_seats.sync(
        show.id, client=me, body=HoldRequest(quantity=1, max_price=MoneyBody(1249, "EUR"))
    )
    facts["too dear"] = limited.code
    facts["confirmed"] = confirm_booking.sync(held.id, client=me).status.value
    pdf = get_ticket_pdf.sync_detailed(booking.id, client=me)
    content = pdf.parsed.payload.read()
    facts["ticket"] = [named(pdf.parsed), content[:5].decode(), len(content) > 1000, content == pdf.content]
    cancelled = cancel_booking.sync(booking.id, client=me)
    facts["cancelled"] = [cancelled.status.value, get_booking.sync(booking.id, client=me).status.value]
    late = get_ticket_pdf.sync(booking.id, client=me)
    facts["no ticket"] = [isinstance(late, ProblemBody), late.code]
    page = list_my_bookings.sync(client=me, status=ListMyBookingsStatus.CANCELLED)
    facts["mine"] = [[one.id == booking.id for one in page.items], page.next_cursor]
    sales = sales_report.sync(client=staff, limit=100)
    facts["sales"] = [named(sales), named(sales.items[0].day)]
    return facts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.stdin.read().split())))
