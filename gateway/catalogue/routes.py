"""What staff do to the catalogue: movies, and new shows. Reading it is in `catalogue_reading`."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from gateway.auth import Caller
from gateway.catalogue.memory import CatalogueMemory
from gateway.catalogue.movies import Movies
from gateway.catalogue.show_commands import SHOW_COMMANDS
from gateway.catalogue.show_maker import ShowMaker
from gateway.catalogue.show_notes import list_show_notes
from gateway.catalogue.shows import Shows
from gateway.commands import Pending
from gateway.documents import BEARER, problem_responses
from gateway.http import Fields
from gateway.requests import json_accepted, query_known, staff_only
from gateway.stored_answers import Answer, StoredAnswers
from gateway.waiting import command_id_for, preference_of
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
    guards=[staff_only],
    security=BEARER,
    responses=problem_responses("key_reused"),
)
async def add_movie(
    data: JSONBody[NewMovieBody],
    caller: NamedDependency[Caller],
    movies: NamedDependency[Movies],
    memory: NamedDependency[CatalogueMemory],
    stored_answers: NamedDependency[StoredAnswers],
    fields: NamedDependency[Fields],
) -> Response[MovieBody]:
    """Add a movie. Takes an Idempotency-Key, which counts for this call alone."""

    async def add(connection: Any) -> Answer:
        movie = await movies.add(data, connection)
        return Answer(201, f"/api/movies/{movie.id}", encode(movie))

    answer = await stored_answers.once(caller.user_id, "POST /api/movies", fields, data, add)
    memory.changed_here()
    headers = {"Location": answer.location or ""}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(
        _decode_movie(answer.body),
        status_code=answer.status,
        headers=headers,
    )


@patch("/movies/{movie_id:int}", operation_id="ChangeMovie", guards=[staff_only], security=BEARER)
async def change_movie(
    movie_id: FromPath[int],
    data: JSONBody[ChangeMovieBody],
    movies: NamedDependency[Movies],
    memory: NamedDependency[CatalogueMemory],
) -> MovieBody:
    """Change a movie."""
    movie = await movies.change(movie_id, data)
    memory.changed_here()
    return movie


@delete(
    "/movies/{movie_id:int}",
    operation_id="DeleteMovie",
    guards=[staff_only],
    security=BEARER,
    responses=problem_responses("in_use"),
)
async def delete_movie(
    movie_id: FromPath[int], movies: NamedDependency[Movies], memory: NamedDependency[CatalogueMemory]
) -> None:
    """Delete a movie that never had a show."""
    await movies.delete(movie_id)
    memory.changed_here()


@post(
    "/shows",
    operation_id="CreateShow",
    guards=[staff_only],
    security=BEARER,
    responses=problem_responses("key_reused"),
)
async def create_show(
    data: JSONBody[NewShowBody],
    caller: NamedDependency[Caller],
    shows: NamedDependency[Shows],
    show_maker: NamedDependency[ShowMaker],
    memory: NamedDependency[CatalogueMemory],
    fields: NamedDependency[Fields],
) -> Response[ShowBody | PendingShowBody]:
    """Create a show. 201 once its writer has opened it; 202 when that takes longer than the client waits."""
    preference = preference_of(fields)
    request_id = command_id_for(fields, caller.user_id) if b"idempotency-key" in fields else None
    try:
        made = await show_maker.create(data, request_id, preference.wait_s)
    finally:
        memory.changed_here()
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
    """All of the above; what they take has to be provided."""
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
