"""The OpenAPI document, including the fast routes, and the files of Swagger UI, served without internet access."""

from __future__ import annotations

import gzip
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

from gateway.http.encodings import accepted_encoding
from gateway.http.errors import unknown_path
from gateway.openapi.annotations import describe_problems
from gateway.openapi.catalogue import catalogue_paths, complete_catalogue
from gateway.openapi.check_in import complete_check_in
from gateway.openapi.fast_routes import PROBLEM_SCHEMA, body_schemas, fast_route_paths
from gateway.openapi.plain_schemas import simplify

_SWAGGER_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_OWN_ASSETS = {"docs.css": "text/css", "docs.js": "text/javascript"}
_OUTCOMES = {"201": "Created; Location is its address.", "204": "Done."}
_FRAMEWORK_400 = "Bad request syntax or unsupported method"
_ANY_OPERATION = describe_problems(
    "method_not_allowed",
    "not_acceptable",
    "request_timeout",
    "uri_too_long",
    "headers_too_large",
    "internal_error",
    "not_implemented",
)
_METHODS = ("get", "post", "put", "patch", "delete")


class OpenApiDocument(JsonRenderPlugin):
    """Serves the framework's document, completed by the fast routes and by the problems of each operation."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type="application/json")  # type: ignore[arg-type]
        self._body: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._body is None:
            self._body = msgspec.json.encode(_complete(openapi_schema))
        return self._body


def document_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: hides the pages that the framework adds below the document's path."""
    if connection.scope["path"].rstrip("/") != "/openapi.json":
        raise unknown_path()


def docs_routes() -> list[Any]:
    """The route of the files of Swagger UI, for the page `/docs`."""
    return [_asset]


@get("/docs/{name:str}", include_in_schema=False, sync_to_thread=True)
def _asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    if name in _OWN_ASSETS:
        content, media_type, age = _own_asset(name), _OWN_ASSETS[name], "no-cache"
    elif name in _SWAGGER_ASSETS:
        content, media_type, age = _swagger_asset(name), _SWAGGER_ASSETS[name], "max-age=86400"
    else:
        raise NotFoundException
    headers = {"Cache-Control": age, "Vary": "Accept-Encoding"}
    if media_type.startswith("text/") and accepted_encoding(
        request.headers.get("accept-encoding", "").encode("latin-1"), ours=(b"gzip",)
    ):
        content = _compressed(content)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=media_type, headers=headers)


@lru_cache
def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


@lru_cache
def _own_asset(name: str) -> bytes:
    return resources.files("gateway.openapi").joinpath("web", name).read_bytes()


@lru_cache
def _swagger_asset(name: str) -> bytes:
    # Located, not imported: the package is a Flask extension, and only its files are used.
    spec = importlib.util.find_spec("flask_swagger_ui")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "dist" / name).read_bytes()


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    paths = {path: dict(item) for path, item in document["paths"].items()}
    for path, item in (*fast_route_paths().items(), *catalogue_paths().items()):
        paths.setdefault(path, {}).update(item)
    for path, item in paths.items():
        for method in _METHODS:
            if method in item:
                item[method] = _completed(path, item[method])
    complete_catalogue(paths)
    complete_check_in(paths)
    # msgspec's schemas of its own types are more complete than the framework's; they have descriptions, for example.
    schemas = {**document["components"]["schemas"], **body_schemas()}
    components = {**document["components"], "schemas": dict(sorted(schemas.items()))}
    complete = {
        **document,
        "paths": dict(sorted(paths.items())),
        "components": components,
        "externalDocs": {"description": "Explanation of each problem code", "url": "/problems"},
    }
    return simplify(complete)


def _completed(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """An operation with a short summary, and with the problems that follow from its parameters and body."""
    summary, _, rest = operation.get("description", operation["summary"]).partition(".")
    responses = {
        status: {**response, "description": _OUTCOMES.get(status, response["description"])}
        for status, response in operation["responses"].items()
        if response["description"] != _FRAMEWORK_400
    }
    for status, codes in _problems_of(path, operation).items():
        described = responses.get(status, {}).get("description")
        responses[status] = _problem("; ".join(filter(None, (described, describe_problems(*codes)))))
    responses.setdefault("default", _problem(f"Any other problem; its `code` says which. {_ANY_OPERATION}."))
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
            for_commands = ["overloaded", "log_unavailable"] if "Idempotency-Key" in names else []
            codes["503"] = [*for_commands, "database_unavailable"]
    return codes


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}}}
