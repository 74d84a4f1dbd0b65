"""Staff endpoints of the catalogue: movies and new shows. The read endpoints are in `reading`."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from gateway.auth.access_tokens import Caller
from gateway.auth.guards import staff_only
from gateway.catalogue.large_bodies import large_body_counted
from gateway.catalogue.movies import Movies
from gateway.catalogue.response_cache import ResponseCache
from gateway.catalogue.show_commands import SHOW_COMMANDS
from gateway.catalogue.show_maker import ShowMaker
from gateway.catalogue.show_notes import list_show_notes
from gateway.catalogue.shows import Shows
from gateway.commands.outcomes import Pending
from gateway.commands.stored_responses import StoredResponse, StoredResponses
from gateway.http.command_headers import command_id_for, read_preference
from gateway.http.exchange import Headers
from gateway.http.framework_requests import json_accepted, query_known
from gateway.openapi.annotations import BEARER, problem_responses
from schemas.api_catalogue import (
    ChangeMovieBody,
    MovieBody,
    NewMovieBody,
    NewShowBody,
    PendingShowBody,
    ShowBody,
)
from schemas.wire import encode

MAX_BODY = 4 * 1024 * 1024

_decode_movie = msgspec.json.Decoder(MovieBody).decode


@post(
    "/movies",
    operation_id="AddMovie",
    guards=[staff_only, large_body_counted],
    security=BEARER,
    responses=problem_responses("key_reused"),
)
async def add_movie(
    data: JSONBody[NewMovieBody],
    caller: NamedDependency[Caller],
    movies: NamedDependency[Movies],
    response_cache: NamedDependency[ResponseCache],
    stored_responses: NamedDependency[StoredResponses],
    request_headers: NamedDependency[Headers],
) -> Response[MovieBody]:
    """Add a movie. Accepts an Idempotency-Key, whose scope is this endpoint."""

    async def add(connection: Any) -> StoredResponse:
        movie = await movies.add(data, connection)
        return StoredResponse(201, f"/api/movies/{movie.id}", encode(movie))

    answer = await stored_responses.once(caller.user_id, "POST /api/movies", request_headers, data, add)
    response_cache.invalidate()
    headers = {"Location": answer.location or ""}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(
        _decode_movie(answer.body),
        status_code=answer.status,
        headers=headers,
    )


@patch(
    "/movies/{movie_id:int}",
    operation_id="ChangeMovie",
    guards=[staff_only, large_body_counted],
    security=BEARER,
)
async def change_movie(
    movie_id: FromPath[int],
    data: JSONBody[ChangeMovieBody],
    movies: NamedDependency[Movies],
    response_cache: NamedDependency[ResponseCache],
) -> MovieBody:
    """Change a movie."""
    movie = await movies.change(movie_id, data)
    response_cache.invalidate()
    return movie


@delete(
    "/movies/{movie_id:int}",
    operation_id="DeleteMovie",
    guards=[staff_only, large_body_counted],
    security=BEARER,
    responses=problem_responses("in_use"),
)
async def delete_movie(
    movie_id: FromPath[int], movies: NamedDependency[Movies], response_cache: NamedDependency[ResponseCache]
) -> None:
    """Delete a movie that never had a show."""
    await movies.delete(movie_id)
    response_cache.invalidate()


@post(
    "/shows",
    operation_id="CreateShow",
    guards=[staff_only, large_body_counted],
    security=BEARER,
    responses=problem_responses("key_reused"),
)
async def create_show(
    data: JSONBody[NewShowBody],
    caller: NamedDependency[Caller],
    shows: NamedDependency[Shows],
    show_maker: NamedDependency[ShowMaker],
    response_cache: NamedDependency[ResponseCache],
    request_headers: NamedDependency[Headers],
) -> Response[ShowBody | PendingShowBody]:
    """Create a show. 201 once its seat worker has opened it; 202 if that takes longer than the client waits."""
    preference = read_preference(request_headers)
    request_id = (
        command_id_for(request_headers, caller.user_id) if b"idempotency-key" in request_headers else None
    )
    try:
        made = await show_maker.create(data, request_id, preference.wait_s)
    finally:
        response_cache.invalidate()
    headers = {"Location": f"/api/shows/{made.show_id}"}
    if preference.applied is not None:
        headers["Preference-Applied"] = preference.applied.decode()
    if made.replayed:
        headers["Idempotency-Replayed"] = "true"
    if isinstance(made.outcome, Pending):
        command = str(made.outcome.position)
        headers |= {"Location": f"/api/commands/{command}", "Retry-After": "1"}
        return Response(PendingShowBody(command, made.show_id), status_code=202, headers=headers)
    return Response(await shows.get(made.show_id), status_code=201, headers=headers)


def catalogue_routes() -> Router:
    """The router of all staff endpoints. Their parameters must be provided as dependencies."""
    handlers: list[Any] = [
        add_movie,
        change_movie,
        delete_movie,
        create_show,
        *SHOW_COMMANDS,
        list_show_notes,
    ]
    return Router(
        "/api",
        route_handlers=handlers,
        guards=[json_accepted, query_known],
        request_max_body_size=MAX_BODY,
        tags=["Movies and shows"],
    )
