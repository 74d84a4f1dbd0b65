"""`/problems`: a page for each problem code, the target of the `type` of a problem; also as JSON.

They are for developers, and in English.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.http.problem_advice import ADVICE
from gateway.http.problems import PROBLEMS, Problem
from gateway.site.rendering import Renderer
from gateway.site.responses import POLICY
from languages.words import ORIGINAL

_HEADERS = {"Cache-Control": "public, max-age=3600", "Vary": "Accept"}


class ExplainedProblem(msgspec.Struct, frozen=True):
    """A problem code with its explanation."""

    type: str
    code: str
    status: int
    title: str
    meaning: str
    what_to_do: str


def problem_page_routes() -> list[Any]:
    """The routes of the list of codes and of each code's page."""
    return [_list, _one]


@lru_cache
def explained_problems() -> dict[str, ExplainedProblem]:
    """Every code with its explanation, in order of the HTTP status."""
    by_status = sorted(PROBLEMS.items(), key=lambda entry: entry[1][0])
    return {
        code: ExplainedProblem(f"/problems/{code}", code, status, title, *ADVICE[code])
        for code, (status, title) in by_status
    }


@get("/problems", include_in_schema=False, sync_to_thread=False)
def _list(request: Request[Any, Any, Any], renderer: NamedDependency[Renderer]) -> Response[bytes]:
    problems = [*explained_problems().values()]
    if _wants_json(request):
        return _json({"items": problems})
    return _page(renderer, "problems.html", 200, problems=problems)


@get("/problems/{code:str}", include_in_schema=False, sync_to_thread=False)
def _one(
    request: Request[Any, Any, Any], renderer: NamedDependency[Renderer], code: FromPath[str]
) -> Response[bytes]:
    problem = explained_problems().get(code)
    if problem is not None:
        return (
            _json(problem) if _wants_json(request) else _page(renderer, "problem.html", 200, problem=problem)
        )
    if "text/html" in request.headers.get("accept", ""):
        return _page(renderer, "problem.html", 404, {"Cache-Control": "no-cache"}, problem=None)
    raise Problem("not_found", "There is no such problem code; GET /problems lists them all.")


def _wants_json(request: Request[Any, Any, Any]) -> bool:
    accept = request.headers.get("accept", "").lower()
    return "application/" in accept and "json" in accept and "text/html" not in accept


def _json(value: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type="application/json", headers=_HEADERS)


def _page(
    renderer: Renderer,
    template: str,
    status: int,
    more: Mapping[str, str] = MappingProxyType({}),
    **values: Any,
) -> Response[bytes]:
    html = renderer.render(template, ORIGINAL, **values)
    headers = {**_HEADERS, "Content-Security-Policy": POLICY.decode(), **more}
    return Response(html, status_code=status, media_type="text/html", headers=headers)
