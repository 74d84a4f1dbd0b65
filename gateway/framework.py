"""The Litestar application: every route that is not a fast route, such as accounts, catalogue, reports and docs."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag

from gateway.accounts.attempts import provide_account_limits
from gateway.accounts.email_changes import EmailChanges
from gateway.accounts.email_preferences import EmailPreferences
from gateway.accounts.hash_turns import HashTurns
from gateway.accounts.logins import Logins
from gateway.accounts.password_resets import PasswordResets
from gateway.accounts.preference_routes import preference_routes
from gateway.accounts.routes import account_routes
from gateway.accounts.session_cookies import COOKIE, SessionCookies
from gateway.accounts.users import Users
from gateway.auth.access_tokens import Tokens
from gateway.auth.guards import provide_caller
from gateway.auth.revocation import Revocations
from gateway.catalogue.large_bodies import LargeBodies
from gateway.catalogue.movies import Movies
from gateway.catalogue.response_cache import ResponseCache
from gateway.catalogue.routes import catalogue_routes
from gateway.catalogue.show_changes import ShowChanges
from gateway.catalogue.show_maker import ShowMaker
from gateway.catalogue.show_notes import ShowNotes
from gateway.catalogue.shows import Shows
from gateway.catalogue.zones import Zones
from gateway.check_in.door import Door
from gateway.check_in.routes import check_in_routes
from gateway.commands.stored_responses import StoredResponses
from gateway.deliveries.routes import DeliveryList, delivery_routes
from gateway.health import Health, health_routes
from gateway.http.errors import handle_exception
from gateway.http.framework_requests import JsonBody, JsonRequest, provide_request_headers
from gateway.http.origins import Origins
from gateway.limits.rate_limits import RateLimits
from gateway.openapi.document import OpenApiDocument, docs_routes, document_only
from gateway.reports.query import ReportReader
from gateway.reports.routes import report_routes
from gateway.site.problem_pages import problem_page_routes
from gateway.site.rendering import Renderer
from gateway.tickets.sending import TicketSending, sending_routes
from gateway.webhooks.deliveries import WebhookDeliveries
from gateway.webhooks.endpoints import Webhooks
from gateway.webhooks.routes import webhook_routes

_ABOUT = """
Seat reservations that sell every seat exactly once.

Log in at `POST /api/login`, press *Authorize* and give the `access` token. Errors are RFC 9457 problems
with a stable `code`. A call that waits for a decision takes `Prefer: wait=N` (0 to 30 seconds, 10 by
default) or `Prefer: respond-async`; a command that is not decided in time is answered 202 and can be polled.
A request with an `Idempotency-Key` can be sent again safely: it is executed once.
"""


def build_framework(
    *,
    tokens: Tokens,
    revocations: Revocations,
    rate_limits: RateLimits,
    users: Users,
    logins: Logins,
    session_cookies: SessionCookies,
    origins: Origins,
    password_resets: PasswordResets,
    email_changes: EmailChanges,
    email_preferences: EmailPreferences,
    ticket_sending: TicketSending,
    movies: Movies,
    shows: Shows,
    show_maker: ShowMaker,
    show_changes: ShowChanges,
    show_notes: ShowNotes,
    response_cache: ResponseCache,
    zones: Zones,
    reports: ReportReader,
    webhooks: Webhooks,
    webhook_deliveries: WebhookDeliveries,
    delivery_list: DeliveryList,
    stored_responses: StoredResponses,
    door: Door,
    health: Health,
    renderer: Renderer,
    more_routes: list[Any],
) -> Litestar:
    """Builds the Litestar application. `more_routes` are optional routes, such as the inbox."""
    provided = {
        "tokens": tokens,
        "rate_limits": rate_limits,
        "hash_turns": HashTurns(),
        "users": users,
        "logins": logins,
        "session_cookies": session_cookies,
        "password_resets": password_resets,
        "email_changes": email_changes,
        "email_preferences": email_preferences,
        "ticket_sending": ticket_sending,
        "movies": movies,
        "shows": shows,
        "show_maker": show_maker,
        "show_changes": show_changes,
        "show_notes": show_notes,
        "response_cache": response_cache,
        "zones": zones,
        "reports": reports,
        "webhooks": webhooks,
        "webhook_deliveries": webhook_deliveries,
        "delivery_list": delivery_list,
        "stored_responses": stored_responses,
        "door": door,
        "health": health,
        "renderer": renderer,
    }
    dependencies: dict[str, Any] = {
        name: Provide(_constant(value), sync_to_thread=False) for name, value in provided.items()
    }
    dependencies["caller"] = Provide(provide_caller, sync_to_thread=False)
    dependencies["account_limits"] = Provide(provide_account_limits, sync_to_thread=False)
    dependencies["request_headers"] = Provide(provide_request_headers, sync_to_thread=False)
    return Litestar(
        [
            account_routes(),
            preference_routes(),
            sending_routes(),
            catalogue_routes(),
            check_in_routes(),
            report_routes(),
            webhook_routes(),
            delivery_routes(),
            health_routes(),
            *docs_routes(),
            *problem_page_routes(),
            *more_routes,
        ],
        dependencies=dependencies,
        dto=JsonBody,
        return_dto=None,
        request_class=JsonRequest,
        exception_handlers={Exception: handle_exception},
        openapi_config=OpenAPIConfig(
            title="Aisle",
            version="1",
            description=_ABOUT,
            tags=[
                Tag("Bookings"),
                Tag("Movies and shows"),
                Tag("Accounts"),
                Tag("Reports"),
                Tag("Check-in"),
                Tag("Webhooks"),
                Tag("Probes"),
            ],
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                    "session": SecurityScheme(type="apiKey", name=COOKIE, security_scheme_in="cookie"),
                }
            ),
            openapi_router=Router(
                "/openapi.json",
                route_handlers=[],
                guards=[document_only],
                include_in_schema=False,
                dto=None,
                return_dto=None,
            ),
            render_plugins=[OpenApiDocument()],
            use_handler_docstrings=True,
        ),
        state=State(
            {
                "tokens": tokens,
                "revocations": revocations,
                "origins": origins,
                "large_bodies": LargeBodies(),
            }
        ),
        logging_config=None,
        debug=False,
    )


def _constant(value: Any) -> Any:
    def provide() -> Any:
        return value

    return provide
