"""The catalogue's calls in the OpenAPI document: those that read it, which the framework does not know, and
what the framework does not say about the others."""

from __future__ import annotations

from typing import Any

from gateway.catalogue.examples import BODIES, MOVIE, PENDING, PENDING_SHOW, SHOW
from gateway.catalogue.queries import MAX_CURSOR, MAX_SEARCH, MAX_WORD
from gateway.documents import described
from gateway.hot_docs import KEY_PARAMETER, PROBLEM_SCHEMA, WAITING_PARAMETERS
from gateway.pages import DEFAULT_LIMIT, MAX_LIMIT
from schemas.ids import MAX_SHOW_ID

_ID = {"type": "integer", "minimum": 1, "maximum": MAX_SHOW_ID}
_MOVIE_ID = {"name": "movie_id", "in": "path", "required": True, "schema": _ID}
_SHOW_ID = {"name": "show_id", "in": "path", "required": True, "schema": _ID}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The `ETag` of the answer one has: 304 while it still holds.",
}
_ETAG = {
    "ETag": {"description": "Names exactly these bytes.", "schema": {"type": "string"}},
    "Cache-Control": {
        "description": "`no-cache`: keep it, and ask each time whether it still holds.",
        "schema": {"type": "string"},
    },
}
_STAFF_CALLS = {
    "/api/shows/{show_id}": "patch",
    "/api/shows/{show_id}/close": "post",
    "/api/shows/{show_id}/reopen": "post",
    "/api/shows/{show_id}/cancel": "post",
    "/api/shows/{show_id}/block": "post",
    "/api/shows/{show_id}/unblock": "post",
}
_LOCATION = {"description": "Where it is, or where to ask for its fate.", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "Seconds.", "schema": {"type": "integer"}}
_REPLAYED = {
    "description": "`true`: the key has been used before, this is the fate of the first request.",
    "schema": {"type": "string", "enum": ["true"]},
}
_APPLIED = {"description": "What was understood of `Prefer`.", "schema": {"type": "string"}}


def catalogue_paths() -> dict[str, dict[str, Any]]:
    """Paths of the calls that read the catalogue, each with its operation."""
    pages = [
        _query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
        _query("cursor", _text(MAX_CURSOR), "`next_cursor` of the page before, unchanged."),
        _IF_NONE_MATCH,
    ]
    days = [
        _query("from", _text(40), "A day in each show's time zone, or an instant.", "2026-11-21"),
        _query("to", _text(40), "A day, itself included, or an instant, itself not.", "2026-11-22T00:00:00Z"),
    ]
    words = "Whatever the case and accents."
    return {
        "/api/movies": {
            "get": _reading(
                "ListMovies",
                "Movies by title.",
                [
                    _query("search", _text(MAX_SEARCH), f"A part of title or description. {words}", "amelie"),
                    _query("genre", _text(MAX_WORD), words, "drama"),
                    _query("language", _text(MAX_WORD), words, "french"),
                    _query(
                        "on", {"type": "string", "format": "date"}, "Shown on this day, in the show's zone."
                    ),
                    *pages,
                ],
                "MoviesPage",
                {"items": [MOVIE], "next_cursor": None},
            )
        },
        "/api/movies/{movie_id}": {
            "get": _reading("GetMovie", "One movie.", [_MOVIE_ID, _IF_NONE_MATCH], "MovieBody", MOVIE)
        },
        "/api/movies/{movie_id}/shows": {
            "get": _reading(
                "ListShowsOfMovie",
                "Shows of a movie, by the time they start.",
                [_MOVIE_ID, *days, *pages],
                "ShowsPage",
                {"items": [SHOW], "next_cursor": None},
            )
        },
        "/api/shows": {
            "get": _reading(
                "ListShows",
                "Shows by the time they start.",
                [
                    _query("movie", _ID),
                    *days,
                    _query(
                        "available",
                        {"type": "boolean"},
                        "true: on sale with seats left; false: all others.",
                    ),
                    *pages,
                ],
                "ShowsPage",
                {"items": [SHOW], "next_cursor": None},
            )
        },
        "/api/shows/{show_id}": {
            "get": _reading("GetShow", "One show.", [_SHOW_ID, _IF_NONE_MATCH], "ShowBody", SHOW)
        },
    }


def complete_catalogue(paths: dict[str, dict[str, Any]]) -> None:
    """Adds to the framework's operations how they wait, what they answer, and examples."""
    add_movie = paths["/api/movies"]["post"]
    add_movie["parameters"] = [*add_movie.get("parameters", []), KEY_PARAMETER]
    add_movie["responses"]["201"]["headers"] = {"Location": _LOCATION, "Idempotency-Replayed": _REPLAYED}
    create_show = paths["/api/shows"]["post"]
    create_show["parameters"] = [*create_show.get("parameters", []), *WAITING_PARAMETERS]
    create_show["responses"] |= {
        "201": _json("ShowBody", "Created, and opened by its writer; Location is the show.", SHOW, _made()),
        "202": _json(
            "PendingShowBody",
            "Created, and to be opened; Location is where to ask.",
            PENDING_SHOW,
            _made("Retry-After"),
        ),
    }
    for path, method in _STAFF_CALLS.items():
        operation = paths[path][method]
        operation["parameters"] = [*operation["parameters"], *WAITING_PARAMETERS]
        operation["responses"] |= {
            "200": _json("ShowBody", "Done; the show as it is now.", SHOW, _waited()),
            "202": _json(
                "PendingBody",
                "In the log and not decided yet; Location is where to ask.",
                PENDING,
                _made("Retry-After"),
            ),
        }
        operation["responses"]["503"] = _problems("overloaded", "log_unavailable", "database_unavailable")
    for item in paths.values():
        for operation in item.values():
            example = BODIES.get(operation.get("operationId", ""))
            if example is not None:
                operation["requestBody"]["content"]["application/json"]["example"] = example


def _reading(
    operation_id: str, summary: str, parameters: list[dict[str, Any]], schema: str, example: Any
) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "summary": summary,
        "tags": ["Movies and shows"],
        "parameters": parameters,
        "responses": {
            "200": _json(schema, "As of at most a second ago.", example, _ETAG),
            "304": {"description": "What the client has still holds.", "headers": _ETAG},
        },
        "security": [],
    }


def _query(name: str, schema: dict[str, Any], description: str = "", example: str = "") -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "in": "query", "schema": schema}
    if description:
        parameter["description"] = description
    if example:
        parameter["example"] = example
    return parameter


def _text(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}


def _json(
    schema: str, description: str, example: Any, headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {
        "description": description,
        "headers": headers or {},
        "content": {"application/json": content},
    }


def _problems(*codes: str) -> dict[str, Any]:
    return {
        "description": described(*codes),
        "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
    }


def _waited() -> dict[str, Any]:
    return {"Preference-Applied": _APPLIED, "Idempotency-Replayed": _REPLAYED}


def _made(*more: str) -> dict[str, Any]:
    headers = {"Location": _LOCATION} | _waited()
    return headers | {"Retry-After": _RETRY_AFTER} if more else headers
