"""Token buckets: how much at once, how much in the long run, and how many buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import token_bucket as buckets
from gateway.limits.token_bucket import Buckets, Rate

RATE = Rate("test", burst=5, per_s=2, description="tests")


def taken(subject: Buckets, key: str, now_s: float) -> bool:
    bucket = subject.refilled(key, now_s)
    if bucket.tokens < 1:
        return False
    bucket.tokens -= 1
    return True


def test_a_burst_at_once_and_then_as_fast_as_it_fills() -> None:
    subject = Buckets(RATE)
    assert [taken(subject, "a", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert not taken(subject, "a", 0.4)
    assert taken(subject, "a", 0.5)
    assert not taken(subject, "a", 0.5)
    assert [taken(subject, "a", 100.0) for _ in range(6)] == [True] * 5 + [False], "never above the burst"


def test_keys_do_not_share() -> None:
    subject = Buckets(RATE)
    assert [taken(subject, key, 0.0) for key in "aaaaaab"] == [True] * 5 + [False, True]


@given(st.lists(st.floats(min_value=0, max_value=3, allow_nan=False), max_size=200))
def test_over_any_stretch_no_more_than_a_burst_and_the_rate(gaps_s: list[float]) -> None:
    subject, now_s = Buckets(RATE), 0.0
    at: list[float] = []
    for gap_s in gaps_s:
        now_s += gap_s
        if taken(subject, "a", now_s):
            at.append(now_s)
    for first, began_s in enumerate(at):
        for last in range(first, len(at)):
            assert last - first + 1 <= RATE.burst + (at[last] - began_s) * RATE.per_s + 1e-6


@pytest.mark.parametrize(("tokens", "wait_s"), [(0.9, 1), (0.0, 1), (-1.0, 1), (-2.0, 2), (-19.0, 10)])
def test_the_wait_is_until_there_is_a_token_in_whole_seconds(tokens: float, wait_s: int) -> None:
    assert RATE.wait_s(tokens) == wait_s


def test_only_so_many_buckets_are_kept_and_those_in_use_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "GENERATION_SIZE", 10)
    subject = Buckets(RATE)
    for _ in range(5):
        assert taken(subject, "in use", 0.0)
    for n in range(200):
        taken(subject, f"other {n}", 0.0)
        if n % 5 == 0:
            assert not taken(subject, "in use", 0.0)
    assert len(subject) <= 20
    assert taken(subject, "other 0", 0.0), "forgotten, so full again"
