"""Tokens that switch e-mails off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.unsubscribe_tokens import read_unsubscribe_token, unsubscribe_token

KEY = b"k" * 32


@pytest.mark.parametrize("preference", ["reminders", "summaries"])
def test_a_token_says_which_account_and_kind(preference: str) -> None:
    token = unsubscribe_token(KEY, 7, preference)  # type: ignore[arg-type]
    assert read_unsubscribe_token(KEY, token) == (7, preference)
    assert read_unsubscribe_token(b"x" * 32, token) is None


@pytest.mark.parametrize("changed", ["reminders.8.", "summaries.7.", "reminders.07.", "", "."])
def test_the_signature_of_one_token_is_none_of_another(changed: str) -> None:
    signature = unsubscribe_token(KEY, 7, "reminders").rpartition(".")[2]
    assert read_unsubscribe_token(KEY, changed + signature) is None


@given(st.text())
def test_any_text_is_refused_and_none_raises(text: str) -> None:
    assert read_unsubscribe_token(KEY, text) is None
