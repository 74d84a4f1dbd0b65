"""What a customer asks for over its socket: read, sent through the log, each ref answered once.

The steps are those of the HTTP calls, and so are limits, keys and refusals. At most AT_ONCE messages of a
socket are on their way; while they are, nothing more is read from it. What is not decided after 10 s is told to
be pending and answered later; then it counts as the in-flight commands of its customer do.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.auth import Caller
from gateway.bodies import decode_body, invalid
from gateway.booking_commands import book_command, hold_command, move_command, no_booking
from gateway.commands import Commands, Decided, Outcome, Pending
from gateway.failures import problem_for
from gateway.limits import full
from gateway.live.logins import SocketLogin, SocketLogins, read_auth
from gateway.live.sockets import NOT_WANTED, close_code
from gateway.preferences import DEFAULT_WAIT_S
from gateway.problems import Problem
from gateway.refusals import problem_of
from gateway.waiting import command_id_of
from schemas.api import booking_body
from schemas.api_sockets import (
    AcceptedMessage,
    BookMessage,
    HoldMessage,
    MoveMessage,
    PendingMessage,
    RefusedMessage,
)
from schemas.commands import CancelBooking, Command, ConfirmBooking
from schemas.wire import encode

AT_ONCE = 16
_FOLLOW_S = 60.0
_FOLLOW_AGAIN_S = 0.1
_FINISH_S = 10.0
_MAX_UNREADABLE = 100
"""Messages in a row that are none; then the socket is closed with 1008."""
_MAX_REF = 64
_TYPES = ("auth", "book", "hold", "confirm", "cancel")

_HEAD = msgspec.json.Decoder(dict[str, Any])
_BOOK = msgspec.json.Decoder(BookMessage)
_HOLD = msgspec.json.Decoder(HoldMessage)
_MOVE = msgspec.json.Decoder(MoveMessage)


class SocketRequests:
    """The requests of one logged-in socket."""

    def __init__(self, login: SocketLogin, logins: SocketLogins, commands: Commands) -> None:
        self._login = login
        self._logins = logins
        self._commands = commands
        self._socket = login.socket
        self._room = asyncio.Semaphore(AT_ONCE)
        self._open: dict[str, asyncio.Task[None]] = {}
        self._pending: set[str] = set()
        """Refs of `_open` that were told to be pending."""
        self._unreadable = 0

    async def read(self) -> None:
        """Takes messages until the socket ends; closes it when it no longer speaks for its customer."""
        if self._login.ref is not None:
            self._answer(AcceptedMessage(self._login.ref))
        while True:
            await self._room.acquire()
            text = await self._socket.receive_text()
            if text is None:
                return
            try:
                await self._logins.verify(self._login)
                if not await self._take(text):
                    self._room.release()
            except Problem as problem:
                self._socket.close(close_code(problem), problem.code)
                return
            await asyncio.sleep(0)  # many messages may have come at once, and others have a turn too

    async def finish(self) -> None:
        """Waits a little for what was asked to get into the log: who is gone hears of it no more."""
        waited = [task for ref, task in self._open.items() if ref not in self._pending]
        try:
            if waited:
                await asyncio.wait(waited, timeout=_FINISH_S)
        finally:
            tasks = list(self._open.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, text: str) -> bool:
        """Begins what a message asks for; says whether anything is on its way now.

        Raises Problem when the socket no longer speaks for its customer.
        """
        body = text.encode()
        ref: str | None = None
        try:
            head = self._head(body)
            given, kind = _ref_of(head), head.get("type")
            if given in self._open:
                raise invalid(("ref", "this one is not answered yet; take another"))
            ref = given
            if kind == "auth":
                auth = read_auth(body)
            elif kind not in _TYPES:
                raise invalid(("type", f"one of {', '.join(_TYPES)} is wanted"))
            elif ref is None:
                raise invalid(("ref", "this field is missing"))
            else:
                command = _command(kind, body, self._login.caller)
                if kind in ("book", "hold") and self._commands.refused_for_now(command.show_id):
                    raise full()
                self._open[ref] = asyncio.create_task(self._carry_out(ref, command))
                return True
        except Problem as problem:
            self._refuse(ref, problem)
            return False
        await self._logins.renew(self._login, auth)
        if ref is not None:
            self._answer(AcceptedMessage(ref))
        return False

    def _head(self, body: bytes) -> dict[str, Any]:
        try:
            head = decode_body(_HEAD, body)
        except Problem:
            self._unreadable += 1
            if self._unreadable == _MAX_UNREADABLE:
                self._socket.close(NOT_WANTED, "these are no messages: see docs/api.md")
            raise
        self._unreadable = 0
        return head

    async def _carry_out(self, ref: str, command: Command) -> None:
        has_room = True
        try:
            await self._commands.check_customer(command)
            outcome: Outcome | None = await self._commands.submit(command, wait_s=DEFAULT_WAIT_S)
            if isinstance(outcome, Pending):
                self._answer(PendingMessage(ref, str(outcome.position)))
                self._pending.add(ref)
                has_room = False
                self._room.release()
                outcome = await self._follow(outcome)
            if outcome is not None:
                self._decided(ref, outcome)
        except Exception as error:
            problem = problem_for(error, self._socket.request_id.decode(), "message", self._socket.path)
            if problem.code == "not_found" and isinstance(command, ConfirmBooking | CancelBooking):
                problem = no_booking(command.booking_id)
            self._refuse(ref, problem)
        finally:
            del self._open[ref]
            self._pending.discard(ref)
            if has_room:
                self._room.release()

    async def _follow(self, pending: Pending) -> Decided | None:
        """The decision, however late it comes; None when the socket has ended before."""
        while self._socket.open:
            decided = await self._commands.decided(pending.position, _FOLLOW_S)
            if decided is not None:
                return decided
            await asyncio.sleep(_FOLLOW_AGAIN_S)  # a gateway that stops lets nobody wait
        return None

    def _decided(self, ref: str, outcome: Decided) -> None:
        decision = outcome.decision
        if decision.reason is not None:
            raise problem_of(decision, outcome.position)
        assert decision.booking is not None, "a booking command that is accepted is about a booking"
        booking = booking_body(decision.booking, decision.repeats or outcome.position)
        self._answer(AcceptedMessage(ref, booking, replayed=decision.repeats is not None))

    def _refuse(self, ref: str | None, problem: Problem) -> None:
        self._answer(RefusedMessage(ref, problem.document()))

    def _answer(self, message: msgspec.Struct) -> None:
        self._socket.push_text(encode(message))


def _ref_of(head: dict[str, Any]) -> str | None:
    ref = head.get("ref")
    if ref is not None and not (isinstance(ref, str) and 1 <= len(ref) <= _MAX_REF):
        raise invalid(("ref", f"a text of 1 to {_MAX_REF} characters is wanted"))
    return ref


def _command(kind: str, body: bytes, caller: Caller) -> Command:
    match kind:
        case "book":
            book = decode_body(_BOOK, body)
            return book_command(caller, book.show_id, book, command_id_of(book.key, caller.user_id))
        case "hold":
            hold = decode_body(_HOLD, body)
            return hold_command(caller, hold.show_id, hold, command_id_of(hold.key, caller.user_id))
        case _:
            move = decode_body(_MOVE, body)
            what = ConfirmBooking if move.type == "confirm" else CancelBooking
            return move_command(what, caller, move.booking_id, command_id_of(move.key, caller.user_id))
