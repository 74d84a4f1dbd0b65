"""Bounds of a connection: exact limits, deadlines, and the action due at each."""

from __future__ import annotations

import itertools

import pytest

from gateway.server.request_bounds import (
    DRAIN_GRACE_S,
    HEAD_S,
    KEEP_ALIVE_S,
    LINGER_MAX_S,
    LINGER_S,
    MAX_AHEAD,
    MAX_HEAD,
    MAX_UNANSWERED,
    REQUEST_S,
    STALL_S,
    Due,
    Phase,
    Refusal,
    RequestBounds,
)

PIECE = 1000


def request(bounds: RequestBounds, now_s: float, size: int = PIECE) -> None:
    """A whole request in one piece."""
    bounds.feed(size, now_s)
    bounds.begin()
    bounds.headers()
    bounds.end()
    assert bounds.fed() is None


def full(bounds: RequestBounds) -> bool:
    """Whether nothing is to be read; a call, so that mypy expects it to change."""
    return bounds.full


def head(bounds: RequestBounds, now_s: float) -> None:
    """The first piece of a request, whose headers are not complete."""
    bounds.feed(PIECE, now_s)
    bounds.begin()
    assert bounds.fed() is None


def body(bounds: RequestBounds, now_s: float) -> None:
    """A request whose body is missing."""
    bounds.feed(PIECE, now_s)
    bounds.begin()
    bounds.headers()
    assert bounds.fed() is None


def test_the_phases_of_a_request() -> None:
    bounds = RequestBounds(0.0)
    phases = [bounds.phase]
    bounds.feed(PIECE, 0.0)
    for event in (bounds.begin, bounds.headers, bounds.end, bounds.stop):
        event()
        phases.append(bounds.phase)
    assert phases == [Phase.OPENING, Phase.HEAD, Phase.BODY, Phase.BETWEEN, Phase.STOPPED]
    assert (bounds.unanswered, bounds.reading) == (1, False)
    bounds.answered(1.0)
    assert bounds.unanswered == 0
    bounds.linger(2.0)
    bounds.stop()
    assert bounds.phase is Phase.LINGERING


@pytest.mark.parametrize("first", ["headers", "end"])
def test_what_a_parser_cannot_report_is_a_bug(first: str) -> None:
    bounds = RequestBounds(0.0)
    bounds.feed(PIECE, 0.0)
    with pytest.raises(AssertionError):
        getattr(bounds, first)()
    bounds.begin()
    bounds.headers()
    with pytest.raises(AssertionError):
        bounds.begin()


def test_a_head_in_pieces_has_the_limit_of_a_whole_one() -> None:
    bounds = RequestBounds(0.0)
    head(bounds, 0.0)
    for _ in range(MAX_HEAD // 1024):
        bounds.feed(1024, 0.0)
        assert bounds.fed() is None
    bounds.feed(1, 0.0)
    assert bounds.fed() is Refusal.HEAD_TOO_LARGE
    assert bounds.head(MAX_HEAD) is None
    assert bounds.head(MAX_HEAD + 1) is Refusal.HEAD_TOO_LARGE


def test_empty_lines_count_as_head_and_do_not_extend_the_timeout() -> None:
    bounds = RequestBounds(0.0)
    bounds.feed(MAX_HEAD, 5.0)
    assert bounds.fed() is None
    assert (bounds.phase, bounds.deadline()) == (Phase.BLANK, HEAD_S)
    assert bounds.due(HEAD_S, 0) is Due.CLOSE
    bounds.feed(1, 6.0)
    bounds.begin()
    assert bounds.fed() is Refusal.HEAD_TOO_LARGE


def test_trailers_count_beside_the_chunks_of_a_body() -> None:
    bounds = RequestBounds(0.0)
    body(bounds, 0.0)
    for _ in range(10_000):
        bounds.feed(6, 0.0)
        bounds.body(1)
        assert bounds.fed() is None
    for _ in range(MAX_HEAD // 1024):
        bounds.feed(1024, 0.0)
        assert bounds.fed() is None
    bounds.feed(1, 0.0)
    assert bounds.fed() is Refusal.HEAD_TOO_LARGE


def test_a_body_does_not_count_as_trailers() -> None:
    bounds = RequestBounds(0.0)
    body(bounds, 0.0)
    for _ in range(1_000):
        bounds.feed(16_000, 0.0)
        bounds.body(16_000)
        assert bounds.fed() is None


def test_the_number_of_pipelined_requests_is_limited() -> None:
    bounds = RequestBounds(0.0)
    for number in range(1, MAX_UNANSWERED + 1):
        assert not bounds.full
        request(bounds, 0.0)
        assert bounds.unanswered == number
    assert bounds.full
    bounds.answered(1.0)
    assert not bounds.full


def test_the_bytes_of_pipelined_requests_are_limited() -> None:
    bounds = RequestBounds(0.0)
    request(bounds, 0.0)
    while not bounds.full:
        request(bounds, 0.0, MAX_AHEAD // 4)
    assert bounds.unanswered == 1 + 4
    for _ in range(3):
        bounds.answered(1.0)
        assert bounds.full
    bounds.answered(1.0)
    assert not bounds.full, "what is left is being answered"


def test_one_request_waits_while_the_client_reads_no_responses() -> None:
    bounds = RequestBounds(0.0)
    bounds.write_paused(70_000, 1.0)
    assert not full(bounds)
    request(bounds, 1.0)
    assert full(bounds)
    bounds.write_resumed(2.0)
    assert not full(bounds)


def test_a_body_is_read_while_the_client_reads_no_responses() -> None:
    bounds = RequestBounds(0.0)
    bounds.write_paused(70_000, 1.0)
    bounds.feed(100, 1.0)
    bounds.begin()
    bounds.headers()
    assert not bounds.full
    bounds.end()
    assert bounds.full


def test_the_body_of_the_request_that_is_answered_is_not_ahead() -> None:
    bounds = RequestBounds(0.0)
    body(bounds, 0.0)
    for _ in range(100):
        bounds.feed(MAX_AHEAD, 0.0)
        bounds.body(MAX_AHEAD)
        assert bounds.fed() is None
        assert not bounds.full


def test_deadlines_of_a_client() -> None:
    bounds = RequestBounds(100.0)
    assert bounds.deadline() == 100.0 + HEAD_S
    assert bounds.due(100.0 + HEAD_S - 0.01, 0) is Due.NOTHING
    assert bounds.due(100.0 + HEAD_S, 0) is Due.CLOSE
    head(bounds, 110.0)
    assert bounds.deadline() == 110.0 + HEAD_S
    assert bounds.due(110.0 + HEAD_S, 0) is Due.REFUSE
    bounds.feed(PIECE, 115.0)
    bounds.headers()
    assert bounds.fed() is None
    assert bounds.deadline() == 110.0 + REQUEST_S, "from its first byte"
    assert bounds.due(110.0 + REQUEST_S, 0) is Due.REFUSE
    bounds.feed(PIECE, 120.0)
    bounds.end()
    assert bounds.fed() is None
    assert bounds.due(1_000.0, 0) is Due.NOTHING, "it is the gateway that takes its time"
    bounds.answered(2_000.0)
    assert bounds.deadline() == 2_000.0 + KEEP_ALIVE_S
    assert bounds.due(2_000.0 + KEEP_ALIVE_S, 0) is Due.CLOSE


def test_a_body_answered_early_is_drained_for_the_linger_time() -> None:
    bounds = RequestBounds(0.0)
    body(bounds, 0.0)
    bounds.answered(30.0)
    assert bounds.deadline() == 30.0 + LINGER_S
    assert bounds.due(30.0 + LINGER_S, 0) is Due.CLOSE


def test_input_is_drained_while_it_comes_so_that_the_client_gets_the_response() -> None:
    early, final = RequestBounds(0.0), RequestBounds(0.0)
    body(early, 0.0)
    early.answered(30.0)
    final.stop()
    final.linger(30.0)
    now_s = 30.0
    while now_s < 30.0 + LINGER_MAX_S - LINGER_S:
        now_s += LINGER_S / 2
        early.feed(1_000, now_s)
        assert early.fed() is None
        final.discard(now_s)
        for bounds in (early, final):
            assert bounds.due(now_s + LINGER_S / 2, 0) is Due.NOTHING
    for bounds in (early, final):
        bounds.discard(now_s + LINGER_S - 0.01)
        assert bounds.due(30.0 + LINGER_MAX_S, 0) is Due.CLOSE, "however much comes"


def test_a_request_behind_a_pending_one_does_not_time_out() -> None:
    bounds = RequestBounds(0.0)
    request(bounds, 0.0)
    head(bounds, 1.0)
    assert bounds.due(100.0, 0) is Due.NOTHING
    bounds.answered(150.0)
    assert bounds.due(150.0 + HEAD_S - 1, 0) is Due.NOTHING
    assert bounds.due(150.0 + HEAD_S, 0) is Due.REFUSE


def test_a_client_that_reads_nothing_for_a_minute_is_aborted() -> None:
    bounds = RequestBounds(0.0)
    request(bounds, 0.0)
    bounds.write_paused(70_000, 10.0)
    assert bounds.deadline() <= 10.0 + STALL_S / 2
    assert bounds.due(10.0 + STALL_S - 0.01, 70_000) is Due.NOTHING
    assert bounds.due(10.0 + STALL_S, 70_000) is Due.ABORT
    assert bounds.due(11.0 + STALL_S, 69_999) is Due.NOTHING
    bounds.write_resumed(100.0)
    assert bounds.due(100.0 + STALL_S - 0.01, 69_999) is Due.NOTHING
    assert bounds.due(100.0 + STALL_S, 69_999) is Due.ABORT


def test_nothing_is_closed_while_a_client_reads() -> None:
    bounds = RequestBounds(0.0)
    request(bounds, 0.0)
    bounds.answered(0.0)
    bounds.linger(0.0)
    now_s = 0.0
    for unsent in range(100, 0, -1):
        now_s += STALL_S / 2
        assert bounds.due(now_s, unsent) is Due.NOTHING
    assert bounds.due(now_s + LINGER_S, 0) is Due.CLOSE


def test_a_drain_shortens_the_timeout_of_idle_connections_only() -> None:
    for make, due_s in ((None, DRAIN_GRACE_S), (request, None), (head, HEAD_S), (body, REQUEST_S)):
        bounds = RequestBounds(0.0)
        if make is not None:
            make(bounds, 0.0)
        bounds.drain(0.0)
        if due_s is None:
            assert bounds.due(1_000.0, 0) is Due.NOTHING
        else:
            assert bounds.due(due_s - 0.01, 0) is Due.NOTHING
            assert bounds.due(due_s, 0) is not Due.NOTHING


def test_the_last_response_is_the_final_one() -> None:
    for drains, stops in itertools.product((False, True), repeat=2):
        bounds = RequestBounds(0.0)
        request(bounds, 0.0)
        request(bounds, 0.0)
        if drains:
            bounds.drain(0.0)
        if stops:
            bounds.stop()
        assert not bounds.final
        bounds.answered(1.0)
        assert bounds.final == (drains or stops) == bounds.ends
    bounds = RequestBounds(0.0)
    request(bounds, 0.0)
    bounds.drain(0.0)
    head(bounds, 1.0)
    assert not bounds.final, "another request has begun"
