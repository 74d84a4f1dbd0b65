"""Requests of a customer over a socket: read, sent through the log, and answered once for each ref.

Steps, limits, keys and refusals are those of the HTTP calls. A socket has at most MAX_CONCURRENT requests in progress;
then nothing more is read from it. A request that is undecided after 10 s is answered as pending and again when it is
decided; meanwhile it counts only towards the customer's commands in flight.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.auth.access_tokens import Caller
from gateway.bookings.remarks import with_remark
from gateway.bookings.requests import (
    BookingChange,
    book_command,
    booking_command,
    hold_command,
    missing_booking,
)
from gateway.bookings.seat_requests import Extras, SeatRequests, extras_of
from gateway.commands.outcomes import Outcome, Pending, StoredDecision
from gateway.commands.refusals import problem_of
from gateway.commands.sender import CommandSender
from gateway.http.bodies import decode_body, invalid
from gateway.http.command_headers import DEFAULT_WAIT_S, command_id_of
from gateway.http.errors import problem_for
from gateway.http.problems import Problem
from gateway.limits.admission import overloaded
from gateway.live.logins import SocketLogin, SocketLogins, read_auth
from gateway.live.sockets import POLICY_VIOLATION, close_code
from schemas.api import booking_body
from schemas.api_sockets import (
    AcceptedMessage,
    BookMessage,
    HoldMessage,
    MoveMessage,
    PendingMessage,
    RefusedMessage,
)
from schemas.commands import BookSeats, CancelBooking, Command, ConfirmBooking, ExtendHold, HoldSeats
from schemas.wire import encode

MAX_CONCURRENT = 16
_FOLLOW_S = 60.0
_FOLLOW_AGAIN_S = 0.1
_FINISH_S = 10.0
_MAX_INVALID = 100
"""Consecutive invalid messages after which the socket is closed with 1008."""
_MAX_REF = 64
_CHANGES: dict[str, type[BookingChange]] = {
    "confirm": ConfirmBooking,
    "cancel": CancelBooking,
    "extend": ExtendHold,
}
_TYPES = ("auth", "book", "hold", *_CHANGES)

_HEAD = msgspec.json.Decoder(dict[str, Any])
_BOOK = msgspec.json.Decoder(BookMessage)
_HOLD = msgspec.json.Decoder(HoldMessage)
_CHANGE = msgspec.json.Decoder(MoveMessage)


class SocketRequests:
    """The requests of one logged-in socket."""

    def __init__(
        self, login: SocketLogin, logins: SocketLogins, commands: CommandSender, seat_requests: SeatRequests
    ) -> None:
        self._login = login
        self._logins = logins
        self._commands = commands
        self._seat_requests = seat_requests
        self._socket = login.socket
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._in_progress: dict[str, asyncio.Task[None]] = {}
        self._pending: set[str] = set()
        """Refs of `_in_progress` that were answered as pending."""
        self._invalid = 0

    async def read(self) -> None:
        """Reads messages until the socket ends; closes it when its token is no longer valid."""
        if self._login.ref is not None:
            self._send(AcceptedMessage(self._login.ref))
        while True:
            await self._slots.acquire()
            text = await self._socket.receive_text()
            if text is None:
                return
            try:
                await self._logins.verify(self._login)
                if not await self._handle(text):
                    self._slots.release()
            except Problem as problem:
                self._socket.close(close_code(problem), problem.code)
                return
            await asyncio.sleep(0)  # many messages may have arrived at once: lets other tasks run in between

    async def finish(self) -> None:
        """Waits up to 10 s until the requests are in the log. Their responses are dropped."""
        waited = [task for ref, task in self._in_progress.items() if ref not in self._pending]
        try:
            if waited:
                await asyncio.wait(waited, timeout=_FINISH_S)
        finally:
            tasks = list(self._in_progress.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, text: str) -> bool:
        """Handles one message. Returns whether a request is in progress now.

        Raises Problem when the token of an `auth` message is invalid.
        """
        body = text.encode()
        ref: str | None = None
        try:
            head = self._head(body)
            given, kind = _ref_of(head), head.get("type")
            if given in self._in_progress:
                raise invalid(("ref", "this one is not answered yet; take another"))
            ref = given
            if kind == "auth":
                auth = read_auth(body)
            elif kind not in _TYPES:
                raise invalid(("type", f"one of {', '.join(_TYPES)} is wanted"))
            elif ref is None:
                raise invalid(("ref", "this field is missing"))
            else:
                command, extras = _command(kind, body, self._login.caller)
                if kind in ("book", "hold") and self._commands.overload_problem(command.show_id):
                    raise overloaded()
                self._in_progress[ref] = asyncio.create_task(self._execute(ref, command, extras))
                return True
        except Problem as problem:
            self._refuse(ref, problem)
            return False
        await self._logins.renew(self._login, auth)
        if ref is not None:
            self._send(AcceptedMessage(ref))
        return False

    def _head(self, body: bytes) -> dict[str, Any]:
        try:
            head = decode_body(_HEAD, body)
        except Problem:
            self._invalid += 1
            if self._invalid == _MAX_INVALID:
                self._socket.close(POLICY_VIOLATION, "these are no messages: see docs/api.md")
            raise
        self._invalid = 0
        return head

    async def _execute(self, ref: str, command: Command, extras: Extras | None) -> None:
        has_slot = True
        try:
            outcome: Outcome | None = await self._submit(command, extras)
            if isinstance(outcome, Pending):
                self._send(PendingMessage(ref, str(outcome.position)))
                self._pending.add(ref)
                has_slot = False
                self._slots.release()
                outcome = await self._follow(outcome)
            if outcome is not None:
                await self._respond(ref, outcome, extras)
        except Exception as error:
            problem = problem_for(error, self._socket.request_id.decode(), "message", self._socket.path)
            missing = missing_booking(command) if problem.code == "not_found" else None
            self._refuse(ref, missing or problem)
        finally:
            del self._in_progress[ref]
            self._pending.discard(ref)
            if has_slot:
                self._slots.release()

    async def _submit(self, command: Command, extras: Extras | None) -> Outcome:
        if isinstance(command, BookSeats | HoldSeats):
            command = await self._seat_requests.complete(command, extras)
            if extras is not None and extras.remark is not None:
                return await self._seat_requests.submit(command, extras.remark, DEFAULT_WAIT_S)
        return await self._commands.submit(command, wait_s=DEFAULT_WAIT_S)

    async def _follow(self, pending: Pending) -> StoredDecision | None:
        """Awaits the decision, however late it arrives; None when the socket has ended before."""
        while self._socket.open:
            decided = await self._commands.await_decision(pending.position, _FOLLOW_S)
            if decided is not None:
                return decided
            await asyncio.sleep(_FOLLOW_AGAIN_S)  # during shutdown await_decision returns at once
        return None

    async def _respond(self, ref: str, outcome: StoredDecision, extras: Extras | None) -> None:
        decision = outcome.decision
        if decision.reason is not None:
            raise problem_of(decision, outcome.position)
        assert decision.booking is not None, "an accepted booking command has a booking"
        remark = None if extras is None else extras.remark
        if remark is None and self._login.caller.staff:
            remark = await self._seat_requests.remarks.on_decided(outcome)
        booking = with_remark(booking_body(decision.booking, decision.repeats or outcome.position), remark)
        self._send(AcceptedMessage(ref, booking, replayed=decision.repeats is not None))

    def _refuse(self, ref: str | None, problem: Problem) -> None:
        self._send(RefusedMessage(ref, problem.document()))

    def _send(self, message: msgspec.Struct) -> None:
        self._socket.push_text(encode(message))


def _ref_of(head: dict[str, Any]) -> str | None:
    ref = head.get("ref")
    if ref is not None and not (isinstance(ref, str) and 1 <= len(ref) <= _MAX_REF):
        raise invalid(("ref", f"a text of 1 to {_MAX_REF} characters is wanted"))
    return ref


def _command(kind: str, body: bytes, caller: Caller) -> tuple[Command, Extras | None]:
    match kind:
        case "book":
            book = decode_body(_BOOK, body)
            command_id = command_id_of(book.key, caller.user_id)
            return book_command(caller, book.show_id, book, command_id), extras_of(book)
        case "hold":
            hold = decode_body(_HOLD, body)
            command_id = command_id_of(hold.key, caller.user_id)
            return hold_command(caller, hold.show_id, hold, command_id), extras_of(hold)
        case _:
            change = decode_body(_CHANGE, body)
            command_id = command_id_of(change.key, caller.user_id)
            return booking_command(_CHANGES[change.type], caller, change.booking_id, command_id), None
