"""Headers of command requests: Prefer and Idempotency-Key."""

from __future__ import annotations

import pytest

from gateway.http.command_headers import Preference, command_id_for, read_preference
from gateway.http.problems import Problem


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        (b"respond-async", Preference(0.0, b"respond-async")),
        (b"Respond-Async; x=1", Preference(0.0, b"respond-async")),
        (b"wait=0", Preference(0.0, b"wait=0")),
        (b"wait=07", Preference(7.0, b"wait=7")),
        (b'wait = "30"', Preference(30.0, b"wait=30")),
        (b"handling=lenient, wait=5, respond-async", Preference(5.0, b"wait=5")),
    ],
)
def test_the_first_known_preference_is_applied(prefer: bytes, expected: Preference) -> None:
    assert read_preference({b"prefer": prefer}) == expected


@pytest.mark.parametrize("prefer", [b"", b"wait", b"wait=31", b"wait=-1", b"wait=1.5", b"wait=100", b"\xff"])
def test_unknown_preferences_leave_the_default(prefer: bytes) -> None:
    assert read_preference({b"prefer": prefer}) == Preference(10)
    assert read_preference({b"prefer": prefer}, default_s=3) == Preference(3)
    assert read_preference({}, default_s=3) == Preference(3)


def test_a_key_gives_one_command_id_per_customer() -> None:
    keyed = {b"idempotency-key": b"a-key"}
    assert command_id_for(keyed, 7) == command_id_for(dict(keyed), 7)
    assert command_id_for(keyed, 7) != command_id_for(keyed, 8)
    assert command_id_for({}, 7) != command_id_for({}, 7)


@pytest.mark.parametrize("key", [b"", b"a b", b"x" * 129, b"\xe4", b"a\n"])
def test_an_invalid_key_is_rejected(key: bytes) -> None:
    with pytest.raises(Problem) as caught:
        command_id_for({b"idempotency-key": key}, 7)
    assert (caught.value.code, caught.value.errors[0][0]) == ("validation", "Idempotency-Key")
