"""The OpenAPI document, with the hot routes in it, and Swagger UI to read and try it, without the internet."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath

from gateway.catalogue.docs import catalogue_paths, complete_catalogue
from gateway.documents import described
from gateway.failures import nothing_here
from gateway.hot_docs import PROBLEM_SCHEMA, body_schemas, hot_paths
from gateway.plain_schemas import plain

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_OURS = {"docs.css": "text/css", "docs.js": "text/javascript"}
# Swagger UI sets styles on elements; nothing else of it needs an exception.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OUTCOMES = {"201": "Made; Location says where.", "204": "Done."}
_FRAMEWORKS_OWN_400 = "Bad request syntax or unsupported method"
_ANYWHERE = described(
    "method_not_allowed",
    "not_acceptable",
    "request_timeout",
    "uri_too_long",
    "headers_too_large",
    "internal_error",
)
_METHODS = ("get", "post", "put", "patch", "delete")


class OpenApiDocument(JsonRenderPlugin):
    """Serves the framework's document completed by what the framework does not know."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type="application/json")  # type: ignore[arg-type]
        self._body: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._body is None:
            self._body = msgspec.json.encode(_complete(openapi_schema))
        return self._body


def document_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: the framework adds pages of its own below the document's address; they do not exist here."""
    if connection.url.path.rstrip("/") != "/openapi.json":
        raise nothing_here()


def docs_routes() -> list[Any]:
    """`/docs` and the files it is made of."""
    return [_page, _asset]


@get("/docs", include_in_schema=False, sync_to_thread=False)
def _page() -> Response[bytes]:
    return Response(
        _our_file("docs.html"),
        media_type="text/html",
        headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"},
    )


@get("/docs/{name:str}", include_in_schema=False, sync_to_thread=True)
def _asset(name: FromPath[str]) -> Response[bytes]:
    if name in _OURS:
        return Response(_our_file(name), media_type=_OURS[name], headers={"Cache-Control": "no-cache"})
    if name not in _ASSETS:
        raise NotFoundException
    return Response(_swagger_file(name), media_type=_ASSETS[name], headers={"Cache-Control": "max-age=86400"})


@lru_cache
def _our_file(name: str) -> bytes:
    return resources.files("gateway").joinpath("web", name).read_bytes()


@lru_cache
def _swagger_file(name: str) -> bytes:
    # Found, not imported: the package is an extension of Flask, of which only the files are wanted.
    spec = importlib.util.find_spec("flask_swagger_ui")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "dist" / name).read_bytes()


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    paths = {path: dict(item) for path, item in document["paths"].items()}
    for path, item in (*hot_paths().items(), *catalogue_paths().items()):
        paths.setdefault(path, {}).update(item)
    for path, item in paths.items():
        for method in _METHODS:
            if method in item:
                item[method] = _told(path, item[method])
    complete_catalogue(paths)
    # msgspec knows more about its own types than the framework, what they are for among it.
    schemas = {**document["components"]["schemas"], **body_schemas()}
    components = {**document["components"], "schemas": dict(sorted(schemas.items()))}
    complete = {
        **document,
        "paths": dict(sorted(paths.items())),
        "components": components,
        "externalDocs": {"description": "What each problem code means", "url": "/problems"},
    }
    return plain(complete)


def _told(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """An operation with a readable summary, and with the problems that follow from what it takes."""
    summary, _, rest = operation.get("description", operation["summary"]).partition(".")
    responses = {
        status: {**response, "description": _OUTCOMES.get(status, response["description"])}
        for status, response in operation["responses"].items()
        if response["description"] != _FRAMEWORKS_OWN_400
    }
    for status, codes in _problems_of(path, operation).items():
        told = responses.get(status, {}).get("description")
        responses[status] = _problem("; ".join(filter(None, (told, described(*codes)))))
    responses.setdefault("default", _problem(f"Any other problem; its `code` says which. {_ANYWHERE}."))
    return {**operation, "summary": summary, "description": rest.strip(), "responses": responses}


def _problems_of(path: str, operation: dict[str, Any]) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = {}
    probe = path.startswith("/health/")
    names = [parameter["name"] for parameter in operation.get("parameters", [])]
    if operation.get("requestBody"):
        codes["400"] = ["invalid_json", "validation"]
        codes["411"] = ["length_required"]
        codes["413"] = ["body_too_large"]
        codes["415"] = ["unsupported_media_type"]
    elif not probe:
        codes["400"] = ["validation"]
    if operation.get("security"):
        codes["401"] = ["unauthenticated", "token_expired", "token_invalid"]
        codes["403"] = ["forbidden"]
    if "{" in path:
        codes["404"] = ["not_found"]
    if not probe:
        codes["429"] = ["rate_limited"]
        if "503" not in operation["responses"]:
            taken = ["overloaded", "log_unavailable"] if "Idempotency-Key" in names else []
            codes["503"] = [*taken, "database_unavailable"]
    return codes


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}}}
