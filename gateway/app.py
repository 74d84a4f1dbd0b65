"""The gateway's life: what it is made of, how it serves and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NamedTuple

from gateway.accounts.email_changes import EmailChanges
from gateway.accounts.logins import Logins
from gateway.accounts.password_resets import PasswordResets
from gateway.accounts.passwords import Passwords
from gateway.accounts.users import Users
from gateway.addresses import Addresses
from gateway.auth import Tokens
from gateway.catalogue.memory import CatalogueMemory
from gateway.catalogue.movies import Movies
from gateway.catalogue.reading import CatalogueRoutes
from gateway.catalogue.show_changes import ShowChanges
from gateway.catalogue.show_maker import ShowMaker
from gateway.catalogue.show_notes import ShowNotes
from gateway.catalogue.show_requests import ShowRequests
from gateway.catalogue.shows import Shows
from gateway.catalogue.zones import read_zones
from gateway.cold import build_cold
from gateway.commands import Commands
from gateway.cors import Cors
from gateway.front import Front, ShortWay
from gateway.health import Health
from gateway.hold_limits import HoldLimit
from gateway.hot import HotRoutes
from gateway.http import App
from gateway.inbox import FromThisMachine, inbox_routes
from gateway.limits import InFlight
from gateway.live.event_stream import EventStream
from gateway.live.events import EventsLive
from gateway.live.limits import SocketLimits
from gateway.live.logins import SocketLogins
from gateway.live.mine import MyLive
from gateway.live.origins import Origins
from gateway.live.routes import LiveRoutes
from gateway.live.seats import LiveSeats
from gateway.log_ends import LogEnds
from gateway.measures import GatewayMeasures
from gateway.rate_limits import RateLimits
from gateway.replies import Replies
from gateway.reports.figures import ReportFigures
from gateway.reports.query import ReportReader
from gateway.revocation import Revocations
from gateway.seat_pictures import SeatPictures
from gateway.security_headers import headers_for
from gateway.serving import listener_for, serve_app
from gateway.site import FrontPage
from gateway.stored_answers import StoredAnswers
from gateway.stored_seats import StoredSeats
from gateway.ticket_pdf import TicketRoutes
from gateway.ticket_printing import TicketPrinter
from gateway.upkeep import forget_expired
from runtime import postgres, redis
from runtime.log.opening import bind_log, open_log
from runtime.metrics_server import telling
from runtime.open_files import OpenFiles, raise_limit
from runtime.process import settle_gc
from runtime.settings import SettingError, Settings
from schemas.wire import COMMANDS_TOPIC

SERVICE = "gateway"

_OPENED_LATER = 24
"""Files that a gateway opens under load: more connections to its servers, programs that print tickets."""


class Gateway(NamedTuple):
    """The application, and the tasks that have to run beside it."""

    app: App
    short_way: ShortWay
    tasks: list[asyncio.Task[Any]]
    measures: GatewayMeasures
    end_waits: Callable[[], None]
    """Answers at once who waits for a decision: for the end, when there is no more time to wait."""


async def serve(settings: Settings, stop: asyncio.Event, *, metrics: bool = False) -> None:
    """One gateway, from start to drained; tells its metrics if asked to."""
    with listener_for(settings) as listener:
        async with (
            open_gateway(settings) as gateway,
            telling(settings, SERVICE, gateway.measures) if metrics else contextlib.nullcontext(),
        ):
            settle_gc()
            headers = headers_for(settings.public_url, settings.cors_origins)
            await serve_app(
                gateway.app, listener, stop, gateway.tasks, gateway.end_waits, gateway.short_way, headers
            )


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
        zones = await read_zones(pool, settings.timezone)
        redis_client = redis.connect(settings.redis_url)
        stack.push_async_callback(redis_client.aclose)
        # With connections of its own: it never waits for the reads of others.
        revocations_pool = await postgres.create_pool(
            settings.database_url, f"{settings.process or 'gateway'}, revocations", min_size=1, max_size=2
        )
        stack.push_async_callback(revocations_pool.close)
        revocations = Revocations(revocations_pool)
        tokens = Tokens(settings.jwt_keys, revocations.versions, revocations.is_fresh)
        await revocations.refresh()
        appender = log.appender(COMMANDS_TOPIC)
        stack.push_async_callback(appender.close)
        passwords = Passwords()
        stack.callback(passwords.close)

        pictures = SeatPictures(StoredSeats(pool))
        stack.push_async_callback(pictures.close)
        replies = Replies(pool, redis_client, pictures)
        in_flight = InFlight(
            settings.max_in_flight, settings.max_in_flight_show, settings.max_in_flight_customer
        )
        rate_limits = RateLimits(redis_client, settings)
        hold_limit = HoldLimit(rate_limits.holds, pool)
        commands = Commands(
            pool, appender, replies, in_flight, LogEnds(log), rate_limits.commands, hold_limit
        )
        partitions = sorted(await log.bounds(COMMANDS_TOPIC))
        logins = Logins(pool)
        show_maker = ShowMaker(pool, commands, appender, partitions, zones, settings.currency)
        movies, shows = Movies(pool, zones), Shows(pool, zones)
        stored_answers = StoredAnswers(pool)
        memory = CatalogueMemory(pool, commands.told)
        await memory.refresh()
        show_changes = ShowChanges(commands, ShowRequests(pool), shows, memory, zones)
        stack.push_async_callback(show_changes.close)
        reports_pool = await postgres.create_pool(
            settings.database_url,
            f"{settings.process or 'gateway'}, reports",
            min_size=1,
            max_size=3,
            synchronous_commit=False,
        )
        stack.push_async_callback(reports_pool.close)
        figures = ReportFigures(reports_pool, zones)
        inbox = []
        if settings.smtp_url is None:
            inbox = inbox_routes(
                settings.home, FromThisMachine(settings.public_url, settings.trusted_proxies)
            )
        printer = TicketPrinter()
        stack.callback(printer.close)
        cold = build_cold(
            tokens=tokens,
            revocations=revocations,
            rate_limits=rate_limits,
            users=Users(pool, passwords, revocations),
            logins=logins,
            password_resets=PasswordResets(pool, passwords, revocations),
            email_changes=EmailChanges(pool, revocations),
            movies=movies,
            shows=shows,
            show_maker=show_maker,
            show_changes=show_changes,
            show_notes=ShowNotes(pool),
            memory=memory,
            zones=zones,
            reports=ReportReader(reports_pool, figures),
            stored_answers=stored_answers,
            health=Health(pool, log),
            more_routes=inbox,
        )
        socket_logins = SocketLogins(tokens, revocations)
        socket_limits = SocketLimits(limited=settings.rate_limits)
        events = EventStream(log)
        live_seats = LiveSeats(pictures)
        live = LiveRoutes(
            show=live_seats.serve,
            mine=MyLive(socket_logins, socket_limits, commands, events),
            events=EventsLive(socket_logins, socket_limits, commands, events),
            origins=Origins(settings.public_url, settings.cors_origins),
            limits=socket_limits,
            rate=rate_limits.requests,
        )
        hot = HotRoutes(
            tokens,
            commands,
            pool,
            CatalogueRoutes(memory, movies, shows),
            TicketRoutes(tokens, pool, printer, settings.timezone),
            pictures,
            revocations,
            FrontPage(memory, shows, embedded_inbox=settings.smtp_url is None),
        )
        addresses = Addresses(settings.trusted_proxies)
        app: App = Front(hot, live, cold, addresses, rate_limits.requests)
        if settings.cors_origins:
            app = Cors(app, settings.cors_origins)
        measures = GatewayMeasures(replies, in_flight, rate_limits.refusals)
        open_files = OpenFiles(raise_limit(), reserved=_OPENED_LATER)
        open_files.log_allowed()
        short_way = ShortWay(
            hot, addresses, rate_limits.requests, measures, other_sites=bool(settings.cors_origins)
        )
        tasks = [
            _start(stack, "replies", replies.listen()),
            _start(stack, "look-ups", replies.look_up()),
            _start(stack, "in flight", in_flight.measure(lambda: replies.found)),
            _start(stack, "revocations", revocations.watch()),
            _start(stack, "openings", show_maker.watch()),
            _start(stack, "catalogue memory", memory.watch()),
            _start(stack, "time zones", zones.watch()),
            _start(stack, "show changes", show_changes.watch()),
            _start(stack, "rate limits", rate_limits.tell()),
            _start(stack, "announced limits", rate_limits.listen()),
            _start(stack, "hold refusals", hold_limit.keep_writing()),
            _start(stack, "pictures", pictures.run()),
            _start(stack, "live seats", live_seats.run()),
            _start(stack, "live events", events.run()),
            _start(stack, "live logins", socket_logins.watch()),
            _start(stack, "report figures", figures.keep_gathering()),
            _start(stack, "upkeep", forget_expired(logins, stored_answers)),
            _start(stack, "open files", open_files.watch()),
        ]
        yield Gateway(measures.counted(app), short_way, tasks, measures, replies.end_waits)


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
