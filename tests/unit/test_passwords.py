"""Password rules and hashing."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from gateway.accounts.passwords import Passwords, hash_password, weakness
from gateway.http.problems import Problem


@pytest.mark.parametrize(
    "password",
    [
        "password123",
        "PASSWORD123",
        "1234567890",
        "qwertyuiop",
        "manchester",
        "adminadmin123",
        "aaaaaaaaaaaa",
        "abababababab",
    ],
)
def test_common_passwords_are_rejected(password: str) -> None:
    assert weakness(password, "ada", "ada@example.com")


@pytest.mark.parametrize("password", ["demopass1234", "correct horse 1", "пароль для Ады", "ñandú ñandú"])
def test_other_passwords_are_accepted(password: str) -> None:
    assert weakness(password, "ada", "ada@example.com") is None


def test_a_password_is_not_the_name_or_the_address_in_any_case() -> None:
    assert weakness("Ada.Lovelace", "ada.lovelace", "ada@example.com")
    assert weakness("ADA@example.com", "ada", "ada@example.com")


async def test_passwords_are_argon2id_of_the_agreed_cost_and_match_themselves_only() -> None:
    stored = hash_password("correct horse 1")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    passwords = Passwords()
    try:
        assert await passwords.matches(stored, "correct horse 1")
        assert not await passwords.matches(stored, "correct horse 2")
        assert not await passwords.matches(None, "correct horse 1")
        assert not await passwords.matches("nonsense", "correct horse 1")
    finally:
        passwords.close()


async def test_hashing_has_the_lowest_priority_and_runs_one_at_a_time() -> None:
    passwords = Passwords()
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    running: list[int] = []

    def look() -> tuple[int, int]:
        running.append(1)
        seen = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), len(running)
        running.pop()
        return seen

    try:
        seen = await asyncio.gather(*(passwords._run(look) for _ in range(20)))
    finally:
        passwords.close()
    assert set(seen) == {(19, 1)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours, "only that thread's"


async def test_the_same_characters_match_however_they_were_composed() -> None:
    passwords = Passwords()
    try:
        assert await passwords.matches(hash_password("na\u00efve na\u00efve"), "nai\u0308ve nai\u0308ve")
    finally:
        passwords.close()


async def test_a_full_queue_is_rejected_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.accounts.passwords._MAX_PENDING", 2)
    passwords = Passwords()
    try:
        answers = await asyncio.gather(*(passwords.hash("x") for _ in range(4)), return_exceptions=True)
    finally:
        passwords.close()
    refused = [answer for answer in answers if isinstance(answer, Problem)]
    assert [(problem.code, problem.retry_after_s) for problem in refused] == [("overloaded", 3)] * 2
