"""Bounds of one HTTP connection, as a pure state machine: how much a client may send, and how long it may take.

Its input is the size of each piece, the events of a parser, and the time; its output is a refusal, the next deadline,
and the action due then. It knows no socket and no parser.

    OPENING ──begin──▶ HEAD ──headers──▶ BODY ──end──▶ BETWEEN ──begin──▶ HEAD …
    OPENING, BETWEEN ──empty lines──▶ BLANK ──begin──▶ HEAD
    any of these ──stop──▶ STOPPED ──linger──▶ LINGERING ──▶ closed

Beside the phase of its input, a connection has requests that are not answered, and bytes that are not sent.

| bound | of what | past it |
|---|---|---|
| MAX_HEAD | request line, headers, separators and line ends; chunk extensions and trailers | 431 |
| MAX_UNANSWERED, MAX_AHEAD; 1 while responses are unsent | requests behind one that is answered | nothing is read |
| HEAD_S | first byte of a connection; head of a request from its first byte | closed; 408 |
| REQUEST_S | a whole request from its first byte | 408 |
| KEEP_ALIVE_S, DRAIN_GRACE_S | an idle connection | closed |
| STALL_S | unsent bytes of which the client reads none | aborted |
"""

from __future__ import annotations

import enum

MAX_PIECE = 16 * 1024
"""Bytes that are parsed at once. A head may exceed MAX_HEAD by up to this size, because it is counted by the piece."""
FEW_HEADS = 1024
"""Bytes that are parsed at once even if there are several heads in them: 39 of the shortest."""
MAX_HEAD = 32 * 1024
MAX_UNANSWERED = 24
MAX_AHEAD = 64 * 1024
"""Bytes of requests that wait for the response to one before them."""
HEAD_S = 20.0
REQUEST_S = 60.0
KEEP_ALIVE_S = 75.0
DRAIN_GRACE_S = 2.0
"""Time for which a stopping gateway still reads an idle connection: a request may be on its way to it."""
LINGER_S = 2.0
"""Lingering close: after the final response, or an early one, input is drained until none comes for this long."""
LINGER_MAX_S = 20.0
"""Lingering close: how long input is drained at most."""
STALL_S = 60.0

_CHUNK_FRAMING = 12
"""Bytes of a chunk's size and line ends, which are not counted: they come with at least one byte of the body."""
_CHECKS_PER_STALL = 4


class Phase(enum.IntEnum):
    """Phases of a connection's input."""

    OPENING = 0
    """Nothing has come since the connection was made."""
    BLANK = 1
    """Only empty lines have come of the next request."""
    HEAD = 2
    """A request has begun, and its headers are not complete."""
    BODY = 3
    """Its headers are complete, and some of its body or trailers is missing."""
    BETWEEN = 4
    """All requests have come whole."""
    STOPPED = 5
    """No more requests are read. Responses to earlier ones may be missing."""
    LINGERING = 6
    """The final response is written. Input is thrown away until the client closes."""


_OPENING, _BLANK, _HEAD, _BODY, _BETWEEN, _STOPPED, _LINGERING = Phase


class Refusal(enum.Enum):
    """Why a connection ends with a response of its own."""

    HEAD_TOO_LARGE = enum.auto()
    TIMEOUT = enum.auto()


_HEAD_TOO_LARGE = Refusal.HEAD_TOO_LARGE


class Due(enum.Enum):
    """Actions at a deadline."""

    NOTHING = enum.auto()
    REFUSE = enum.auto()
    """Send a 408, then linger."""
    CLOSE = enum.auto()
    ABORT = enum.auto()
    """Close without waiting for unsent bytes."""


_AFTER_BEGIN = (_HEAD, _HEAD, None, None, _HEAD, None, None)
_AFTER_HEADERS = (None, None, _BODY, None, None, None, None)
_AFTER_END = (None, None, None, _BETWEEN, None, None, None)
"""The next phase by the one before it; None: a parser cannot report this then."""


class RequestBounds:
    """The bounds of one connection. Times are seconds of a clock that never runs backwards."""

    __slots__ = (
        "_ahead",
        "_body",
        "_framing",
        "_head",
        "_idle_s",
        "_now_s",
        "_paused",
        "_progress_s",
        "_responded_s",
        "_since_s",
        "_unsent",
        "draining",
        "ends",
        "in_pieces",
        "phase",
        "piece",
        "reading",
        "unanswered",
    )

    def __init__(self, now_s: float) -> None:
        self.phase: Phase = _OPENING
        self.reading = True
        """Whether input is parsed; otherwise it is thrown away."""
        self.unanswered = 0
        """Requests whose headers have come and whose response is not complete."""
        self.draining = False
        self.ends = False
        """Whether a response may be the final one: the gateway stops, or no more requests are read."""
        self._now_s = self._since_s = self._responded_s = now_s
        self._idle_s = KEEP_ALIVE_S
        self.in_pieces = False
        """Whether the head has come in several pieces, so that its bytes have to be counted."""
        self.piece = self._body = 0
        """Bytes of the piece that is parsed; 0 once the request that it ends has come whole."""
        self._head = self._framing = self._ahead = 0
        self._unsent = 0
        self._paused = False
        self._progress_s = now_s

    # --- input ---

    @property
    def full(self) -> bool:
        """Whether nothing is to be read until a response is complete."""
        unanswered = self.unanswered
        return (
            unanswered >= MAX_UNANSWERED
            or (unanswered > 1 and self._ahead >= MAX_AHEAD)
            or (self._paused and unanswered > (self.phase is _BODY))
        )

    def feed(self, size: int, now_s: float) -> None:
        """A piece of input is about to be parsed. It has at most MAX_PIECE bytes."""
        self.piece, self._now_s = size, now_s
        self._body = 0
        if self.unanswered:
            if self.unanswered > 1 or self.phase is not _BODY:
                self._ahead += size
        elif self.phase is _BODY:
            self.discard(now_s)

    def discard(self, now_s: float) -> None:
        """Input has come that is thrown away: a client may send all of its request before it reads the response."""
        if self.phase is _STOPPED:
            return  # the final response is not written yet
        self._since_s = min(now_s, self._responded_s + LINGER_MAX_S - LINGER_S)

    def begin(self) -> None:
        """A request begins."""
        if self.phase is not _BLANK:  # else its time and bytes count from the empty lines before it
            self._since_s = self._now_s
            self._head = -self.piece  # where in the piece it begins is not known
            self.in_pieces = False
        phase = _AFTER_BEGIN[self.phase]
        assert phase is not None
        self.phase = phase

    def head(self, size: int) -> Refusal | None:
        """Refuses a head of at least this size in bytes if that is too large. Only needed for a head `in_pieces`."""
        return _HEAD_TOO_LARGE if size > MAX_HEAD else None

    def headers(self) -> None:
        """The headers are complete and valid."""
        phase = _AFTER_HEADERS[self.phase]
        assert phase is not None
        self.phase = phase
        self.unanswered += 1
        self._framing = -self.piece

    def body(self, size: int) -> None:
        """Some bytes of a chunked body."""
        self._body += size + _CHUNK_FRAMING

    def end(self) -> None:
        """The request has come whole."""
        phase = _AFTER_END[self.phase]
        assert phase is not None
        self.phase = phase
        self.piece = 0  # what is left of the piece counts for the next request, if there is one

    def fed(self) -> Refusal | None:
        """The piece has been parsed."""
        phase = self.phase
        if phase >= _STOPPED or (phase is _BETWEEN and not self.piece):
            return None
        if phase is _BODY:
            if self._framing < 0:
                self._framing = 0
            else:
                self._framing += max(0, self.piece - self._body)
            return _HEAD_TOO_LARGE if self._framing > MAX_HEAD else None
        if phase is _OPENING or phase is _BETWEEN:
            self.phase, self._head = _BLANK, 0
            if phase is _BETWEEN:
                self._since_s = self._now_s
        self._head += self.piece
        self.in_pieces = True
        return _HEAD_TOO_LARGE if self._head > MAX_HEAD else None

    def stop(self) -> None:
        """No more requests are read: the client has ended its side, or its input is invalid."""
        if self.phase < _STOPPED:
            self.phase = _STOPPED
        self.reading, self.ends = False, True

    # --- output ---

    @property
    def final(self) -> bool:
        """Whether the response that is written now is the last one, after which the connection is closed."""
        if self.unanswered > 1:
            return False
        return self.phase >= _STOPPED or (self.draining and self.phase is not _HEAD)

    def answered(self, now_s: float) -> None:
        """A response is complete."""
        self.unanswered -= 1
        if self.unanswered <= 1:
            self._ahead = 0
        if self.unanswered == 0:
            self._since_s = self._responded_s = now_s

    def dropped(self) -> None:
        """An incomplete request is dropped: it gets no response of its own."""
        self.unanswered -= 1

    def linger(self, now_s: float) -> None:
        """The final response is written."""
        self.phase = _LINGERING
        self._since_s = self._responded_s = now_s
        self.reading = False

    def drain(self, now_s: float) -> None:
        """The gateway stops: the connection ends after its current requests, or soon if it is idle."""
        self.draining = self.ends = True
        self._idle_s = DRAIN_GRACE_S
        if self.phase in (_OPENING, _BLANK, _BETWEEN):
            self._since_s = now_s

    def write_paused(self, unsent: int, now_s: float) -> None:
        """More bytes are unsent than the transport's limit: until they are read, one more request may wait."""
        self._paused = True
        self._note_progress(unsent, now_s)

    def write_resumed(self, now_s: float) -> None:
        """The client has read most of the unsent bytes."""
        self._paused = False
        self._progress_s = now_s

    # --- time ---

    def deadline(self) -> float:
        """The time of the next call of `due`. Any other call may make it earlier."""
        at_s = self._since_s + self._allowed_s()
        if self._unsent:
            at_s = min(at_s, self._now_s + STALL_S / _CHECKS_PER_STALL)
        return at_s

    def due(self, now_s: float, unsent: int) -> Due:
        """The action that is due now. `unsent`: bytes of responses that the client has not read."""
        self._note_progress(unsent, now_s)
        if unsent and now_s - self._progress_s >= STALL_S:
            return Due.ABORT
        if self._since_s + self._allowed_s() > now_s:
            return Due.NOTHING
        if self._waits_for_gateway():
            self._since_s = now_s
            return Due.NOTHING
        if self.phase in (_HEAD, _BODY) and self.unanswered == (self.phase is _BODY):
            return Due.REFUSE
        if unsent:
            self._since_s = now_s  # until the client has read them, or reads no more
            return Due.NOTHING
        return Due.CLOSE

    def _allowed_s(self) -> float:
        phase = self.phase
        if phase is _HEAD:
            return HEAD_S
        if phase is _BODY:
            return REQUEST_S if self.unanswered else LINGER_S
        if phase is _LINGERING:
            return LINGER_S
        return HEAD_S if phase <= _BLANK and not self.draining else self._idle_s

    def _waits_for_gateway(self) -> bool:
        """Whether the gateway is working on a response, so that the client's timeouts do not apply."""
        return self.unanswered > (self.phase is _BODY) and self.phase is not _LINGERING

    def _note_progress(self, unsent: int, now_s: float) -> None:
        if unsent < self._unsent or not self._unsent:
            self._progress_s = now_s
        self._unsent, self._now_s = unsent, now_s
