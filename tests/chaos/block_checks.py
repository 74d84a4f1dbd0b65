"""Checks of blocked seats: blocked under their code until they are unblocked or released, and not sold meanwhile. Pure.

The response to a block has no position in the log. Two requests are in a known order if one was answered before the
other was sent; each block has a code of its own, which says whose the stored one is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.booking_replay import CLOCKS_S
from tests.chaos.history import History, Outcome, Request
from tests.chaos.response_checks import describe
from tests.chaos.stored_state import StoredBlock, StoredState

_Withheld = dict[tuple[int, str], list[Request]]
"""(show, seat) → accepted requests that block or unblock it."""


def wrong_blocks(history: History, stored: StoredState) -> Iterator[str]:
    """Yields blocks that are lost, made up, not released, or were sold, and seats wrongly named as blocked."""
    withheld: _Withheld = defaultdict(list)
    for request in history.requests:
        if request.withholds and request.accepted is not None:
            for seat in request.seats:
                withheld[request.show_id, seat].append(request)
    rows = {(show_id, seat): row for show_id, blocks in stored.blocks.items() for seat, row in blocks.items()}
    for place in sorted({*withheld, *rows}):
        wrong = _wrong_row(rows.get(place), withheld[place], stored.read_at_s)
        if wrong:
            yield f"seat {place[1]} of show {place[0]}: {wrong}"
    for request in history.requests:
        for outcome in request.outcomes:
            for seat in _seats_at(request, outcome):
                requests = withheld[request.show_id, seat]
                if outcome.status >= 400 and not _may_be_blocked(requests, request, outcome, history.clock_s):
                    yield f"{describe(request)}: refused with seat_blocked for {seat}, which was not blocked"
                if outcome.status < 300 and (
                    block := _sure_block(requests, request, outcome, history.clock_s)
                ):
                    yield f"{describe(request)}: has seat {seat} that was blocked by {describe(block)}"


def _wrong_row(row: StoredBlock | None, requests: list[Request], read_at_s: float) -> str:
    blocks = [request for request in requests if request.kind == "block"]
    if row is None:
        for block in blocks:
            later = [one for one in requests if one is not block and not _before(one, block)]
            if not _over(block, read_at_s) and not any(
                one.kind == "unblock" or _over(one, read_at_s) for one in later
            ):
                return f"the block of {describe(block)} is lost"
        return ""
    made = next((block for block in blocks if block.code == row.code), None)
    if made is None:
        return f"{row} is stored, which nobody asked for"
    if made.release_s != row.release_s:
        return f"{row} is stored, and it was to be released at {made.release_s}"
    if row.release_s is not None and row.release_s < read_at_s - CLOCKS_S:
        return f"{row} is not released at {read_at_s}"
    after = next((request for request in requests if _before(made, request)), None)
    return "" if after is None else f"{row} is stored, and {describe(after)} came after it"


def _seats_at(request: Request, outcome: Outcome) -> list[str]:
    """The seats that an outcome says were blocked, or were not."""
    if outcome.status >= 400:
        return list(outcome.body["seats"]) if outcome.body["code"] == "seat_blocked" else []
    return list(outcome.body["seats"]) if request.makes or request.kind == "seats" else []


def _may_be_blocked(requests: list[Request], request: Request, outcome: Outcome, clock_s: float) -> bool:
    sent_s = request.first_sent + clock_s
    return any(
        block.kind == "block"
        and block.first_sent <= outcome.at
        and (block.release_s is None or block.release_s >= sent_s - CLOCKS_S)
        and not any(_before(block, one) and _before(one, request) for one in requests)
        for block in requests
    )


def _sure_block(
    requests: list[Request], request: Request, outcome: Outcome, clock_s: float
) -> Request | None:
    """The block that surely was there when a booking got the seat."""
    for block in requests:
        if block.kind != "block" or not block.known_at < request.first_sent:
            continue
        lasts = block.release_s is None or block.release_s > outcome.at + clock_s + CLOCKS_S
        others = [one for one in requests if one is not block and not _before(one, block)]
        if lasts and not any(one.first_sent <= outcome.at for one in others):
            return block
    return None


def _before(one: Request, other: Request) -> bool:
    """Whether a request was decided before another one for sure."""
    return one.known_at < other.first_sent


def _over(block: Request, at_s: float) -> bool:
    return block.release_s is not None and block.release_s <= at_s
