"""Composition of a gateway: its parts, its background tasks, and how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NamedTuple

from gateway.accounts.email_changes import EmailChanges
from gateway.accounts.email_preferences import EmailPreferences
from gateway.accounts.logins import Logins
from gateway.accounts.password_resets import PasswordResets
from gateway.accounts.passwords import Passwords
from gateway.accounts.session_cookies import SessionCookies
from gateway.accounts.users import Users
from gateway.asgi import Dispatcher, FastPath
from gateway.auth.access_tokens import Tokens
from gateway.auth.revocation import Revocations
from gateway.bookings.remarks import Remarks
from gateway.bookings.seat_requests import SeatRequests
from gateway.catalogue.movies import Movies
from gateway.catalogue.reading import CatalogueRoutes
from gateway.catalogue.response_cache import ResponseCache
from gateway.catalogue.show_changes import ShowChanges
from gateway.catalogue.show_maker import ShowMaker
from gateway.catalogue.show_notes import ShowNotes
from gateway.catalogue.show_requests import ShowRequests
from gateway.catalogue.shows import Shows
from gateway.catalogue.zones import read_zones
from gateway.check_in.commands import begin_signing
from gateway.check_in.door import Door, seating_from
from gateway.check_in.tickets import TicketReader
from gateway.cleanup import remove_expired
from gateway.commands.decision_lookup import DecisionLookup
from gateway.commands.hold_limit import HoldLimit
from gateway.commands.log_ends import LogEnds
from gateway.commands.pending import PendingRequests
from gateway.commands.replies import ReplyListener
from gateway.commands.sender import CommandSender
from gateway.commands.stored_responses import StoredResponses
from gateway.commands.tracing import RequestTracing
from gateway.deliveries.routes import DeliveryList
from gateway.fast_routes import FastRoutes
from gateway.framework import build_framework
from gateway.health import Health
from gateway.http.client_address import ClientAddresses
from gateway.http.cors import Cors
from gateway.http.exchange import App
from gateway.http.origins import Origins
from gateway.http.security_headers import headers_for
from gateway.inbox.routes import FromThisMachine, inbox_routes
from gateway.limits.admission import AdmissionControl
from gateway.limits.rate_limits import RateLimits
from gateway.live.customer_sockets import CustomerSockets
from gateway.live.event_stream import EventStream
from gateway.live.logins import SocketLogins
from gateway.live.routes import LiveRoutes
from gateway.live.seat_map_sockets import SeatMapSockets
from gateway.live.socket_limits import SocketLimits
from gateway.live.staff_sockets import StaffSockets
from gateway.metrics import GatewayMetrics
from gateway.reports.figures import ReportFigures
from gateway.reports.query import ReportReader
from gateway.seat_maps.cache import SeatMapCache
from gateway.seat_maps.labels import SeatLabels
from gateway.seat_maps.store import SeatMapStore
from gateway.server.connections import Connections, uncounted
from gateway.server.freed_memory import give_back_memory
from gateway.server.serve import listener_for, serve_app
from gateway.site.assets import load_assets
from gateway.site.error_pages import ErrorPages
from gateway.site.rendering import Renderer
from gateway.site.routes import SiteParts, site_routes
from gateway.tickets.design import ticket_design_of
from gateway.tickets.public_keys import PublicTicketKeys
from gateway.tickets.renderer import TicketRenderer
from gateway.tickets.routes import TicketRoutes
from gateway.tickets.sending import TicketSending
from gateway.webhooks.deliveries import WebhookDeliveries
from gateway.webhooks.endpoints import Webhooks
from gateway.webhooks.targets import Targets
from runtime import postgres, redis
from runtime.log.opening import bind_log, open_log
from runtime.metrics_server import serve_metrics
from runtime.open_files import OpenFiles, raise_limit
from runtime.process import settle_gc
from runtime.settings import SettingError, Settings
from runtime.signing_keys import read_ticket_keys
from runtime.tracing import open_tracing
from schemas.wire import COMMANDS_TOPIC
from tickets.tokens import TicketSigner

SERVICE = "gateway"

_RESERVED_FILES = 24
"""File descriptors reserved for connections to servers and for ticket renderers that are opened under load."""


class Gateway(NamedTuple):
    """The application and its background tasks."""

    app: App
    fast_path: FastPath
    tasks: list[asyncio.Task[Any]]
    metrics: GatewayMetrics
    pools: dict[str, postgres.Pool]
    connections: Connections
    time_out_pending: Callable[[], None]
    """Answers every pending request with 202, when shutdown leaves no more time to wait."""


async def serve(settings: Settings, stop: asyncio.Event, *, metrics: bool = False) -> None:
    """Runs one gateway until it is stopped and drained. `metrics`: also serves its metrics."""
    with listener_for(settings) as listener:
        async with (
            open_gateway(settings) as gateway,
            serve_metrics(settings, SERVICE, gateway.metrics, gateway.pools)
            if metrics
            else contextlib.nullcontext(),
        ):
            settle_gc()
            headers = headers_for(settings.public_url, settings.cors_origins)
            await serve_app(
                gateway.app,
                listener,
                stop,
                gateway.tasks,
                gateway.time_out_pending,
                gateway.fast_path,
                gateway.connections,
                headers,
            )


@contextlib.asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Opens a gateway that is ready to serve. Raises SettingError, WrongLog, DatabaseUnavailable."""
    if settings.database_url is None or settings.redis_url is None:
        raise SettingError(
            "AISLE_DATABASE_URL and AISLE_REDIS_URL: a gateway needs both; 'aisle up' sets them"
        )
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_tracing(settings, SERVICE))
        tracing = None if opened is None else RequestTracing(opened, settings.trace_ratio)
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
        # A pool of its own, so that reading revocations never waits for other queries.
        revocations_pool = await postgres.create_pool(
            settings.database_url, f"{settings.process or 'gateway'}, revocations", min_size=1, max_size=2
        )
        stack.push_async_callback(revocations_pool.close)
        revocations = Revocations(revocations_pool)
        tokens = Tokens(settings.jwt_keys, revocations.versions, revocations.is_fresh)
        ticket_keys = read_ticket_keys(settings.ticket_keys)
        ticket_design = await ticket_design_of(settings)
        await revocations.refresh()
        await begin_signing(pool)
        appender = log.appender(COMMANDS_TOPIC)
        stack.push_async_callback(appender.close)
        passwords = Passwords()
        stack.callback(passwords.close)

        seat_maps = SeatMapCache(SeatMapStore(pool))
        stack.push_async_callback(seat_maps.close)
        pending = PendingRequests()
        admission = AdmissionControl(
            settings.max_in_flight, settings.max_in_flight_show, settings.max_in_flight_customer
        )
        rate_limits = RateLimits(redis_client, settings)
        hold_limit = HoldLimit(rate_limits.holds, pool)
        commands = CommandSender(
            pool, appender, pending, admission, LogEnds(log), rate_limits.commands, hold_limit, tracing
        )
        remarks, seat_labels = Remarks(pool), SeatLabels(seat_maps)
        seat_requests = SeatRequests(pool, commands, remarks, seat_labels)
        stack.push_async_callback(seat_requests.close)
        partitions = sorted(await log.bounds(COMMANDS_TOPIC))
        logins = Logins(pool)
        origins = Origins(settings.public_url, settings.cors_origins)
        show_maker = ShowMaker(
            pool,
            commands,
            appender,
            partitions,
            zones,
            settings.currency,
            carry_catalogue=log.outlives_database,
        )
        movies, shows = Movies(pool, zones), Shows(pool, zones)
        stored_responses = StoredResponses(pool)
        response_cache = ResponseCache(pool, commands.answered_offsets)
        await response_cache.refresh()
        show_changes = ShowChanges(commands, ShowRequests(pool), shows, response_cache, zones, seat_labels)
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
        assets = load_assets()
        renderer = Renderer(assets, {"inbox": settings.smtp_url is None}, ("gateway.inbox",))
        inbox = []
        if settings.smtp_url is None:
            inbox = inbox_routes(
                settings.home, FromThisMachine(settings.public_url, settings.trusted_proxies), renderer
            )
        ticket_renderer = TicketRenderer(ticket_design)
        stack.callback(ticket_renderer.close)
        framework = build_framework(
            tokens=tokens,
            revocations=revocations,
            rate_limits=rate_limits,
            users=Users(pool, passwords, revocations),
            logins=logins,
            session_cookies=SessionCookies(settings.public_url),
            origins=origins,
            password_resets=PasswordResets(pool, passwords, revocations),
            email_changes=EmailChanges(pool, revocations),
            email_preferences=EmailPreferences(pool),
            ticket_sending=TicketSending(pool, rate_limits),
            delivery_list=DeliveryList(pool),
            movies=movies,
            shows=shows,
            show_maker=show_maker,
            show_changes=show_changes,
            show_notes=ShowNotes(pool),
            response_cache=response_cache,
            zones=zones,
            reports=ReportReader(reports_pool, figures),
            webhooks=Webhooks(pool, Targets(settings.webhook_private_networks)),
            webhook_deliveries=WebhookDeliveries(pool),
            stored_responses=stored_responses,
            door=Door(pool, commands, TicketReader(ticket_keys.public, seating_from(seat_maps))),
            health=Health(pool, log),
            renderer=renderer,
            more_routes=[PublicTicketKeys(ticket_keys.public).routes(), *inbox],
        )
        socket_logins = SocketLogins(tokens, revocations)
        socket_limits = SocketLimits(limited=settings.rate_limits)
        events = EventStream(log)
        live_seats = SeatMapSockets(seat_maps)
        live = LiveRoutes(
            show=live_seats.serve,
            mine=CustomerSockets(socket_logins, socket_limits, commands, seat_requests, events),
            events=StaffSockets(socket_logins, socket_limits, commands, events),
            origins=origins,
            limits=socket_limits,
            rate=rate_limits.requests,
        )
        site = site_routes(
            SiteParts(
                assets=assets,
                renderer=renderer,
                response_cache=response_cache,
                movies=movies,
                shows=shows,
                seat_maps=seat_maps,
                zones=zones,
                public_url=settings.public_url,
            )
        )
        fast_routes = FastRoutes(
            tokens,
            commands,
            seat_requests,
            pool,
            CatalogueRoutes(response_cache, movies, shows),
            TicketRoutes(
                tokens,
                pool,
                TicketSigner(ticket_keys.private),
                ticket_renderer,
                settings.timezone,
                settings.public_url,
            ),
            seat_maps,
            revocations,
            site,
            tracing,
        )
        addresses = ClientAddresses(settings.trusted_proxies)
        app: App = Dispatcher(fast_routes, live, framework, addresses, rate_limits.requests)
        app = ErrorPages(app, renderer)
        if settings.cors_origins:
            app = Cors(app, settings.cors_origins)
        metrics = GatewayMetrics(pending, admission, commands.decision_s, rate_limits.rejections)
        open_files = OpenFiles(raise_limit(), reserved=_RESERVED_FILES)
        open_files.log_allowed()
        fast_path = FastPath(
            fast_routes, addresses, rate_limits.requests, metrics, other_sites=bool(settings.cors_origins)
        )
        connections = Connections(addresses.connection_address if settings.rate_limits else uncounted)
        tasks = [
            _start(stack, "memory", give_back_memory(connections)),
            _start(stack, "replies", ReplyListener(redis_client, pending, seat_maps).run()),
            _start(stack, "decision look-ups", DecisionLookup(pool, pending, seat_maps).run()),
            _start(stack, "load shedding", admission.watch_load(lambda: pending.looked_up)),
            _start(stack, "revocations", revocations.watch()),
            _start(stack, "openings", show_maker.watch()),
            _start(stack, "response cache", response_cache.watch()),
            _start(stack, "time zones", zones.watch()),
            _start(stack, "show changes", show_changes.watch()),
            _start(stack, "rate limits", rate_limits.report()),
            _start(stack, "strict limits", rate_limits.fetch()),
            _start(stack, "hold rejections", hold_limit.run()),
            _start(stack, "seat maps", seat_maps.run()),
            _start(stack, "live seats", live_seats.run()),
            _start(stack, "live events", events.run()),
            _start(stack, "live logins", socket_logins.watch()),
            _start(stack, "report figures", figures.run()),
            _start(stack, "cleanup", remove_expired(logins, stored_responses, remarks)),
            _start(stack, "open files", open_files.watch()),
        ]
        pools = {"main": pool, "revocations": revocations_pool, "reports": reports_pool}
        yield Gateway(
            metrics.instrumented(app), fast_path, tasks, metrics, pools, connections, pending.time_out_all
        )


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
