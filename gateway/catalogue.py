"""The catalogue's calls: movies and their shows."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from gateway.auth import Caller
from gateway.commands import Pending
from gateway.days import read_day, read_day_or_instant
from gateway.documents import BEARER, problem_responses
from gateway.http import Exchange
from gateway.movies import MovieFilter, Movies
from gateway.pages import DEFAULT_LIMIT, MAX_LIMIT
from gateway.requests import json_accepted, query_known, staff_only
from gateway.show_maker import ShowMaker
from gateway.shows import ShowFilter, Shows
from gateway.waiting import command_id_for, preference_of
from schemas.api_catalogue import (
    ChangeMovieBody,
    MovieBody,
    MoviesPage,
    NewMovieBody,
    NewShowBody,
    PendingShowBody,
    ShowBody,
    ShowsPage,
)
from schemas.ids import MAX_SHOW_ID

MAX_BODY = 4 * 1024 * 1024

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many to list at most.")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=2000, description="`next_cursor` of the page before.")
]
From = Annotated[
    str | None,
    QueryParameter(name="from", max_length=40, description="A day in each show's time zone, or an instant."),
]
To = Annotated[
    str | None,
    QueryParameter(
        name="to", max_length=40, description="A day, itself included, or an instant, itself not."
    ),
]


@get("/movies")
async def list_movies(
    movies: NamedDependency[Movies],
    search: Annotated[
        str | None, QueryParameter(max_length=100, description="In title and description, whatever the case.")
    ] = None,
    genre: Annotated[str | None, QueryParameter(max_length=40)] = None,
    language: Annotated[str | None, QueryParameter(max_length=40)] = None,
    on: Annotated[
        str | None, QueryParameter(max_length=10, description="Shown on this day: 2026-11-21.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> MoviesPage:
    """Movies by title."""
    wanted = MovieFilter(search, genre, language, None if on is None else read_day("on", on))
    return await movies.page(wanted, limit, cursor)


@post("/movies", guards=[staff_only], security=BEARER)
async def add_movie(data: JSONBody[NewMovieBody], movies: NamedDependency[Movies]) -> Response[MovieBody]:
    """Add a movie."""
    movie = await movies.add(data)
    return Response(movie, status_code=201, headers={"Location": f"/api/movies/{movie.id}"})


@get("/movies/{movie_id:int}")
async def get_movie(movie_id: FromPath[int], movies: NamedDependency[Movies]) -> MovieBody:
    """One movie."""
    return await movies.get(movie_id)


@patch("/movies/{movie_id:int}", guards=[staff_only], security=BEARER)
async def change_movie(
    movie_id: FromPath[int], data: JSONBody[ChangeMovieBody], movies: NamedDependency[Movies]
) -> MovieBody:
    """Change a movie."""
    return await movies.change(movie_id, data)


@delete("/movies/{movie_id:int}", guards=[staff_only], security=BEARER, responses=problem_responses("in_use"))
async def delete_movie(movie_id: FromPath[int], movies: NamedDependency[Movies]) -> None:
    """Delete a movie that never had a show."""
    await movies.delete(movie_id)


@get("/movies/{movie_id:int}/shows")
async def list_shows_of_movie(
    movie_id: FromPath[int],
    shows: NamedDependency[Shows],
    from_: From = None,
    to: To = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ShowsPage:
    """Shows of a movie, by the time they start."""
    return await shows.page_of_movie(_wanted(movie_id, from_, to, None), limit, cursor)


@get("/shows")
async def list_shows(
    shows: NamedDependency[Shows],
    movie: Annotated[int | None, QueryParameter(ge=1, le=MAX_SHOW_ID)] = None,
    from_: From = None,
    to: To = None,
    available: Annotated[
        bool | None, QueryParameter(description="true: on sale with seats left; false: all others.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ShowsPage:
    """Shows by the time they start."""
    return await shows.page(_wanted(movie, from_, to, available), limit, cursor)


@get("/shows/{show_id:int}")
async def get_show(show_id: FromPath[int], shows: NamedDependency[Shows]) -> ShowBody:
    """One show."""
    return await shows.get(show_id)


@post("/shows", guards=[staff_only], security=BEARER, responses=problem_responses("key_reused"))
async def create_show(
    data: JSONBody[NewShowBody],
    caller: NamedDependency[Caller],
    shows: NamedDependency[Shows],
    show_maker: NamedDependency[ShowMaker],
    exchange: NamedDependency[Exchange],
) -> Response[ShowBody | PendingShowBody]:
    """Create a show. 201 once its writer has opened it; 202 when that takes longer than the client waits."""
    preference = preference_of(exchange)
    request_id = command_id_for(exchange, caller.user_id) if b"idempotency-key" in exchange.headers else None
    made = await show_maker.create(data, request_id, preference.wait_s)
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
    """All of the above; `movies`, `shows`, `show_maker`, `caller` and `exchange` have to be provided."""
    handlers: list[Any] = [
        list_movies,
        add_movie,
        get_movie,
        change_movie,
        delete_movie,
        list_shows_of_movie,
        list_shows,
        get_show,
        create_show,
    ]
    return Router(
        "/api",
        route_handlers=handlers,
        guards=[json_accepted, query_known],
        request_max_body_size=MAX_BODY,
        tags=["Movies and shows"],
    )


def _wanted(movie_id: int | None, from_: str | None, to: str | None, available: bool | None) -> ShowFilter:
    from_day, from_at = read_day_or_instant("from", from_) if from_ is not None else (None, None)
    to_day, to_at = read_day_or_instant("to", to) if to is not None else (None, None)
    return ShowFilter(movie_id, from_day, from_at, to_day, to_at, available)
