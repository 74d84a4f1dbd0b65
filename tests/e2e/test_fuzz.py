"""The OpenAPI document matches the responses to generated requests; `make fuzz` runs more of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fuzzing import ROLES, fuzz, log_errors, prepare
from tests.e2e.running import RunningAisle


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningAisle, dict[str, str]]]:
    """Yields a separate instance: generated requests of an admin may cancel any show."""
    home: Path = tmp_path_factory.mktemp("fuzz") / "home"
    aisle = RunningAisle(home, {"AISLE_RATE_LIMITS": "off"})
    asyncio.run(aisle.start())
    try:
        yield aisle, asyncio.run(prepare(aisle))
    finally:
        aisle.stop()


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_every_response_is_documented(fuzzed: tuple[RunningAisle, dict[str, str]], role: str) -> None:
    aisle, tokens = fuzzed
    done = fuzz(aisle, tokens.get(role), 6, "examples,fuzzing", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert log_errors(aisle) == []
