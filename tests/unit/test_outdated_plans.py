"""Every transaction of a service is repeated when a migration has made its statements outdated."""

from __future__ import annotations

import ast

import asyncpg
import pytest

from runtime.outdated_plans import retry_outdated_plans
from tests.unit.test_imports import CHECKOUT

SERVICES = ("gateway", "notifier", "webhooks")
BY_THEIR_CALLERS = {"_snapshot": {"page", "_csv"}}
"""Functions that cannot be repeated themselves, and their callers, which are."""
PREPARED_EACH_TIME = {"_csv"}
"""Functions that use no prepared statement of an earlier transaction."""


def functions(package: str) -> list[ast.AsyncFunctionDef]:
    trees = [ast.parse(file.read_text()) for file in sorted((CHECKOUT / package).rglob("*.py"))]
    return [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]


def calls(function: ast.AsyncFunctionDef, method: str) -> bool:
    found = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(called, ast.Attribute) and called.attr == method for called in found)


def is_repeated(function: ast.AsyncFunctionDef) -> bool:
    return "retry_outdated_plans" in [ast.unparse(decorator) for decorator in function.decorator_list]


@pytest.mark.parametrize("package", SERVICES)
def test_functions_with_a_transaction_are_repeated(package: str) -> None:
    found = functions(package)
    with_transaction = [function for function in found if calls(function, "transaction")]
    assert with_transaction
    for name, callers in BY_THEIR_CALLERS.items():
        users = [function for function in found if calls(function, name)]
        assert {function.name for function in users} <= callers
        with_transaction += users
    missing = {one.name for one in with_transaction if not is_repeated(one)} - BY_THEIR_CALLERS.keys()
    missing -= PREPARED_EACH_TIME
    assert not missing


class Transaction:
    """Fails as often as it is asked to."""

    def __init__(self, failures: int, error: type[Exception]) -> None:
        self.calls = 0
        self._failures = failures
        self._error = error

    @retry_outdated_plans
    async def run(self, value: int) -> int:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error("cached statement plan is invalid")
        return value


@pytest.mark.parametrize("error", [asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError])
async def test_it_is_repeated_once(error: type[Exception]) -> None:
    once, twice = Transaction(1, error), Transaction(2, error)
    assert await once.run(7) == 7
    assert once.calls == 2
    with pytest.raises(error):
        await twice.run(7)
    assert twice.calls == 2


async def test_other_errors_are_not_repeated() -> None:
    failing = Transaction(1, asyncpg.DataError)
    with pytest.raises(asyncpg.DataError):
        await failing.run(7)
    assert failing.calls == 1
