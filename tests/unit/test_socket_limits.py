"""Limits of live sockets, and the origins that may open them."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gateway.http.origins import Origins
from gateway.http.problems import Problem
from gateway.live.socket_limits import MAX_FROM_ADDRESS, MAX_OF_CUSTOMER, SocketLimits


def refused(limits: SocketLimits, address: str = "a") -> str | None:
    """Returns the code that rejects one more socket, or None."""
    try:
        with limits.from_address(address):
            return None
    except Problem as problem:
        return problem.code


def test_an_address_has_twenty_sockets_and_another_when_one_closes() -> None:
    limits = SocketLimits(limited=True)
    with ExitStack() as rest, ExitStack() as one:
        one.enter_context(limits.from_address("a"))
        for _ in range(MAX_FROM_ADDRESS - 1):
            rest.enter_context(limits.from_address("a"))
        assert refused(limits) == "rate_limited"
        assert refused(limits, "b") is None
        one.close()
        assert refused(limits) is None


def test_a_customer_has_five_sockets_and_failed_ones_are_released() -> None:
    limits = SocketLimits(limited=True)
    for _ in range(MAX_OF_CUSTOMER + 1):
        with pytest.raises(ZeroDivisionError), limits.of_customer(7):
            raise ZeroDivisionError
    with ExitStack() as stack:
        for _ in range(MAX_OF_CUSTOMER):
            stack.enter_context(limits.of_customer(7))
        with pytest.raises(Problem, match="You have 5 live connections"), limits.of_customer(7):
            pass
        with limits.of_customer(8):
            pass


@pytest.mark.parametrize("limited", [True, False])
def test_the_total_limit_is_never_lifted(limited: bool) -> None:
    limits = SocketLimits(limited=limited, max_total=3)
    with ExitStack() as stack:
        for address in "abc":
            stack.enter_context(limits.from_address(address))
        assert refused(limits, "d") == "overloaded"
    assert refused(limits, "d") is None


def test_without_limits_an_address_has_any_number() -> None:
    limits = SocketLimits(limited=False)
    with ExitStack() as stack:
        for _ in range(MAX_FROM_ADDRESS * 2):
            stack.enter_context(limits.from_address("a"))
            stack.enter_context(limits.of_customer(7))


ORIGINS = Origins("https://Tickets.Example:443/", ["http://partner.example:8080", "http://[::1]:80"])


@pytest.mark.parametrize(
    "origin",
    [
        b"https://tickets.example",
        b"HTTPS://TICKETS.EXAMPLE",
        b"http://partner.example:8080",
        b"http://[::1]",
        b"http://here.example:81",
        b"https://here.example:81",
    ],
)
def test_own_and_listed_origins_and_the_host_are_allowed(origin: bytes) -> None:
    ORIGINS.check({b"origin": origin, b"host": b"Here.example:81"})


@pytest.mark.parametrize(
    "origin",
    [
        b"",
        b"null",
        b"http://tickets.example",
        b"https://tickets.example:8443",
        b"https://tickets.example.evil.example",
        b"https://tickets.example@evil.example",
        b"http://partner.example",
        b"http://here.example",
        b"ftp://here.example:81",
        b"here.example:81",
        b"http://",
        b"\xff",
    ],
)
def test_any_other_origin_is_rejected(origin: bytes) -> None:
    for headers in ({b"origin": origin, b"host": b"here.example:81"}, {b"origin": origin, b"host": b""}):
        with pytest.raises(Problem) as refusal:
            ORIGINS.check(headers)
        assert refusal.value.code == "forbidden"


def test_a_request_without_an_origin_is_allowed() -> None:
    ORIGINS.check({b"host": b"here.example"})
