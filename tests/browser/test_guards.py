"""The guards on the pages of the browser tests."""

from __future__ import annotations

from tests.browser.visitor import Visitor


async def test_errors_exceptions_and_foreign_requests_are_problems(visitor: Visitor) -> None:
    page = await visitor.open()
    await page.evaluate("console.error('wrong')")
    await page.evaluate("setTimeout(() => { throw new Error('thrown'); })")
    await page.evaluate("new Image().src = 'https://127.0.0.2:9/elsewhere', null")
    await page.evaluate("fetch('/nothing-here')")
    await page.wait_for_timeout(100)
    for one in ("wrong", "thrown", "127.0.0.2", "404"):
        assert any(one in problem for problem in visitor.problems), visitor.problems
    visitor.problems.clear()


async def test_an_expected_status_is_no_problem(visitor: Visitor) -> None:
    visitor.expected.add(404)
    page = await visitor.open()
    await page.evaluate("fetch('/nothing-here')")
    await page.wait_for_timeout(100)
    assert visitor.problems == []
