"""`/problems`: a page for each problem code, the target of the `type` of a problem; also as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import jinja2
import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from gateway.http.problem_advice import ADVICE
from gateway.http.problems import PROBLEMS, Problem

_HEADERS = {"Cache-Control": "public, max-age=3600", "Vary": "Accept"}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


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
def _list(request: Request[Any, Any, Any]) -> Response[bytes]:
    problems = [*explained_problems().values()]
    if _wants_json(request):
        return _json({"items": problems})
    return _page("problems.html", 200, problems=problems)


@get("/problems/{code:str}", include_in_schema=False, sync_to_thread=False)
def _one(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[bytes]:
    problem = explained_problems().get(code)
    if problem is not None:
        return _json(problem) if _wants_json(request) else _page("problem.html", 200, problem=problem)
    if "text/html" in request.headers.get("accept", ""):
        return _page("problem.html", 404, {"Cache-Control": "no-cache"}, problem=None)
    raise Problem("not_found", "There is no such problem code; GET /problems lists them all.")


def _wants_json(request: Request[Any, Any, Any]) -> bool:
    accept = request.headers.get("accept", "").lower()
    return "application/" in accept and "json" in accept and "text/html" not in accept


def _json(value: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type="application/json", headers=_HEADERS)


def _page(
    template: str, status: int, more: Mapping[str, str] = MappingProxyType({}), **values: Any
) -> Response[bytes]:
    html = _templates().get_template(template).render(**values)
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY, **more}
    return Response(html.encode(), status_code=status, media_type="text/html", headers=headers)


@lru_cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("gateway.site", "web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
