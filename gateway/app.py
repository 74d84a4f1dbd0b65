"""The gateway's life: what it is made of, how it serves and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, NamedTuple

from gateway.auth import Tokens
from gateway.cold import build_cold
from gateway.commands import Commands
from gateway.cors import Cors
from gateway.front import App, Front
from gateway.health import Health
from gateway.hot import HotRoutes
from gateway.inbox import inbox_routes
from gateway.limits import InFlight
from gateway.logins import Logins
from gateway.movies import Movies
from gateway.password_resets import PasswordResets
from gateway.passwords import Passwords
from gateway.replies import Replies
from gateway.serving import listener_for, serve_app
from gateway.show_maker import ShowMaker
from gateway.shows import Shows
from gateway.standings import Standings
from gateway.upkeep import forget_expired_logins
from gateway.users import Users
from runtime import postgres, redis
from runtime.log.opening import bind_log, open_log
from runtime.process import settle_gc
from runtime.settings import SettingError, Settings
from schemas.wire import COMMANDS_TOPIC


class Gateway(NamedTuple):
    """The application, and the tasks that have to run beside it."""

    app: App
    tasks: list[asyncio.Task[Any]]


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """One gateway, from start to drained."""
    with listener_for(settings) as listener:
        async with open_gateway(settings) as gateway:
            settle_gc()
            await serve_app(gateway.app, listener, stop, gateway.tasks)


@contextlib.asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway that is ready to serve. Raises SettingError, WrongLog, DatabaseUnavailable."""
    if settings.database_url is None or settings.redis_url is None:
        raise SettingError(
            "AISLE_DATABASE_URL and AISLE_REDIS_URL: a gateway needs both; 'aisle up' sets them"
        )
    async with contextlib.AsyncExitStack() as stack:
        log = await open_log(settings.kafka, settings.database_url)
        stack.push_async_callback(log.close)
        pool = await postgres.create_pool(
            settings.database_url, settings.process or "gateway", min_size=4, max_size=16
        )
        stack.push_async_callback(pool.close)
        async with pool.acquire() as connection:
            await bind_log(connection, log)
        redis_client = redis.connect(settings.redis_url)
        stack.push_async_callback(redis_client.aclose)
        standings = Standings(pool)
        tokens = Tokens(settings.jwt_keys, standings.changed)
        await standings.refresh()
        appender = log.appender(COMMANDS_TOPIC)
        stack.push_async_callback(appender.close)
        passwords = Passwords()
        stack.callback(passwords.close)

        replies = Replies(pool, redis_client)
        in_flight = InFlight(
            settings.max_in_flight, settings.max_in_flight_show, settings.max_in_flight_customer
        )
        commands = Commands(pool, appender, replies, in_flight)
        partitions = sorted(await log.bounds(COMMANDS_TOPIC))
        logins = Logins(pool)
        show_maker = ShowMaker(pool, commands, appender, partitions, settings.timezone, settings.currency)
        cold = build_cold(
            tokens=tokens,
            users=Users(pool, passwords, standings),
            logins=logins,
            password_resets=PasswordResets(pool, passwords, standings),
            movies=Movies(pool),
            shows=Shows(pool),
            show_maker=show_maker,
            health=Health(pool, log),
            embedded_inbox=settings.smtp_url is None,
            more_routes=inbox_routes(settings.home) if settings.smtp_url is None else [],
        )
        app: App = Front(HotRoutes(tokens, commands, pool), cold)
        if settings.cors_origins:
            app = Cors(app, settings.cors_origins)
        tasks = [
            _start(stack, "replies", replies.listen()),
            _start(stack, "look-ups", replies.look_up()),
            _start(stack, "standings", standings.watch()),
            _start(stack, "openings", show_maker.watch()),
            _start(stack, "upkeep", forget_expired_logins(logins)),
        ]
        yield Gateway(app, tasks)


def _start(
    stack: contextlib.AsyncExitStack, name: str, work: Coroutine[Any, Any, None]
) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task

    stack.push_async_callback(end)
    return task
