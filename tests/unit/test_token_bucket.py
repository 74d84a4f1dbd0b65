"""Token buckets: burst, long-run rate, and eviction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import token_bucket
from gateway.limits.token_bucket import Buckets, Rate

RATE = Rate("test", burst=5, per_s=2, description="tests")


def take(subject: Buckets, key: str, now_s: float) -> bool:
    return subject.spend(key, now_s) is not None


def test_a_burst_at_once_then_the_refill_rate() -> None:
    subject = Buckets(RATE)
    assert [take(subject, "a", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert not take(subject, "a", 0.4)
    assert take(subject, "a", 0.5)
    assert not take(subject, "a", 0.5)
    assert [take(subject, "a", 100.0) for _ in range(6)] == [True] * 5 + [False], "never above the burst"


def test_each_key_has_its_own_bucket() -> None:
    subject = Buckets(RATE)
    assert [take(subject, key, 0.0) for key in "aaaaaab"] == [True] * 5 + [False, True]


@given(st.lists(st.floats(min_value=0, max_value=3, allow_nan=False), max_size=200))
def test_no_interval_exceeds_a_burst_plus_the_rate(gaps_s: list[float]) -> None:
    subject, now_s = Buckets(RATE), 0.0
    at: list[float] = []
    for gap_s in gaps_s:
        now_s += gap_s
        if take(subject, "a", now_s):
            at.append(now_s)
    for first, began_s in enumerate(at):
        for last in range(first, len(at)):
            assert last - first + 1 <= RATE.burst + (at[last] - began_s) * RATE.per_s + 1e-6


@pytest.mark.parametrize(("tokens", "wait_s"), [(0.9, 1), (0.0, 1), (-1.0, 1), (-2.0, 2), (-19.0, 10)])
def test_the_wait_is_rounded_up_to_whole_seconds(tokens: float, wait_s: int) -> None:
    assert RATE.wait_s(tokens) == wait_s


def test_buckets_out_of_use_are_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_bucket, "GENERATION_SIZE", 10)
    subject = Buckets(RATE)
    for _ in range(5):
        assert take(subject, "in use", 0.0)
    for n in range(200):
        take(subject, f"other {n}", 0.0)
        if n % 5 == 0:
            assert not take(subject, "in use", 0.0)
    assert len(subject) <= 20
    assert take(subject, "other 0", 0.0), "evicted, so full again"


def test_both_generations_are_used_to_the_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_bucket, "GENERATION_SIZE", 10)
    subject = Buckets(RATE)
    for n in range(20):
        take(subject, f"key {n}", 0.0)
    assert len(subject) == 20
    take(subject, "one more", 0.0)
    assert len(subject) == 11, "the older generation is evicted"


def test_tokens_count_as_unreported_until_they_are_given_back() -> None:
    subject = Buckets(RATE)
    bucket = subject.spend("a", 0.0)
    assert bucket is not None
    assert (bucket.tokens, bucket.unreported) == (4.0, 1.0)
    bucket.adjust(-2.5)
    assert (bucket.tokens, bucket.unreported) == (1.5, 3.5)
    bucket.adjust(3.5)
    assert (bucket.tokens, bucket.unreported) == (5.0, 0.0)
    assert subject.spend("a", 0.0) is bucket


def test_a_bucket_in_debt_refills_from_there() -> None:
    subject = Buckets(RATE)
    subject.refilled("a", 0.0).adjust(-7.0)
    assert not take(subject, "a", 1.4)
    assert take(subject, "a", 1.5)
