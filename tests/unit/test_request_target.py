"""Targets of requests: what is accepted has a path and a query, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.authority import is_target, split_target

PATH, QUERY = b"/api/shows", b"limit=1"


@pytest.mark.parametrize(
    "origin",
    [
        b"",
        b"http://a",
        b"HTTPS://a:",
        b"http://a:080",
        b"http://a~b",
        b"http://a_b",
        b"http://a%41",
        b"http://[::1]:",
    ],
)
def test_a_target_is_split_into_path_and_query(origin: bytes) -> None:
    target = origin + PATH + b"?" + QUERY
    assert is_target(target, b"GET")
    assert split_target(target) == split_target(target + b"#top?x") == (PATH, QUERY)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://a", (b"/", b"")),
        (b"http://a?x=/y", (b"/", b"x=/y")),
        (b"http://a#x", (b"/", b"")),
        (b"*", (b"*", b"")),
        (b"//a/b", (b"//a/b", b"")),
        (b"/?a?b", (b"/", b"a?b")),
        (b"/go?to=http://a/b", (b"/go", b"to=http://a/b")),
    ],
)
def test_unusual_targets_are_split(target: bytes, expected: tuple[bytes, bytes]) -> None:
    assert split_target(target) == expected


@given(st.binary(max_size=40), st.sampled_from([b"", b"/", b"http://", b"http://a"]))
def test_an_accepted_target_has_a_path(rest: bytes, start: bytes) -> None:
    target = start + rest
    if is_target(target, b"OPTIONS"):
        path, query = split_target(target)
        assert path == b"*" or path.startswith(b"/")
        assert b"#" not in path + query
        assert b"?" not in path
