"""Pages that explain the problem codes, at the address in a problem's `type`."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import gateway
from gateway.http.problem_advice import ADVICE
from gateway.http.problems import PROBLEMS
from runtime.settings import Settings
from schemas.events import Reason
from tests.integration.gateway_server import KEYS, serving

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FOLDER = Path(gateway.__file__).parent


def raised_codes() -> Iterator[str]:
    """Every problem code in the gateway's source, and every reason of a decision."""
    yield from (reason.value for reason in Reason)
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).endswith("Problem"):
                code = node.args[0]
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    yield code.value


@pytest.fixture
async def client(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[httpx.AsyncClient]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, rate_limits=False)
    async with serving(made, worker=False) as server, server.client() as client:
        yield client


def test_every_raised_code_has_an_explanation() -> None:
    raised = set(raised_codes())
    assert len(raised) > 40
    assert raised <= set(PROBLEMS)
    assert set(ADVICE) == set(PROBLEMS)
    for code, (meaning, what_to_do) in ADVICE.items():
        for sentence in (meaning, what_to_do):
            assert re.fullmatch(r"[A-Z].{9,}\.", sentence), (code, sentence)


async def test_every_code_has_an_html_page_and_a_json_document(client: httpx.AsyncClient) -> None:
    for code in sorted({*raised_codes(), *PROBLEMS}):
        status, title = PROBLEMS[code]
        page = await client.get(f"/problems/{code}", headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f"<code>{code}</code>" in page.text
        assert f"<h1>{title}</h1>" in html.unescape(page.text)
        assert str(status) in page.text
        assert not re.search(r"<script(?! type=\"module\" src=)|<style| style=| on\w+=", page.text)
        for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert re.match(r"/(?!/)|#|\?lang=", address), address
        for accept in ("application/json", "application/problem+json"):
            response = await client.get(f"/problems/{code}", headers={"Accept": accept})
            assert response.headers["content-type"] == "application/json"
            explained = response.json()
            assert (explained["type"], explained["status"]) == (f"/problems/{code}", status)
            assert explained["meaning"] == ADVICE[code].meaning


async def test_the_list_links_to_every_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/problems", headers=BROWSER)
    assert set(re.findall(r'href="/problems/(\w+)"', page.text)) == set(PROBLEMS)
    listed = (await client.get("/problems", headers={"Accept": "application/json"})).json()["items"]
    assert {item["code"] for item in listed} == set(PROBLEMS)


async def test_pages_are_cacheable_and_answer_head(client: httpx.AsyncClient) -> None:
    for path in ("/problems", "/problems/seat_taken"):
        got, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        names = ("content-type", "content-length", "cache-control", "vary", "content-security-policy")
        assert [head.headers.get(name) for name in names] == [got.headers.get(name) for name in names]
        assert got.headers["cache-control"] == "public, max-age=3600"
        assert "default-src 'none'" in got.headers["content-security-policy"]
        assert got.headers["vary"] == "Accept"
        assert (await client.post(path)).headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("code", ["nothing", "seat_taken%00", "%3Cscript%3E", "Seat_Taken", "a" * 2000])
async def test_an_unknown_code_is_404_with_a_link_to_the_list(client: httpx.AsyncClient, code: str) -> None:
    page = await client.get(f"/problems/{code}", headers=BROWSER)
    assert page.status_code == 404
    assert 'href="/problems"' in page.text
    assert page.headers["cache-control"] == "no-cache"
    assert "<script>" not in page.text
    response = await client.get(f"/problems/{code}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "/problems" in response.json()["detail"]


async def test_problem_types_and_the_document_link_to_the_pages(client: httpx.AsyncClient) -> None:
    problem = (await client.get("/api/movies?limit=0")).json()
    assert (await client.get(problem["type"])).status_code == 200
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    assert (await client.get(document["externalDocs"]["url"])).status_code == 200
    linked = set(re.findall(r"\]\((/problems/\w+)\)", str(document)))
    assert len(linked) > 30
    for address in linked:
        assert (await client.get(address)).status_code == 200
