"""The pages of accounts and bookings. They are the same for everybody; scripts fill them in."""

from __future__ import annotations

from typing import Any

from gateway.http.exchange import Exchange
from gateway.site.languages import language_of
from gateway.site.rendering import Renderer
from gateway.site.responses import POLICY, respond_page

_PAGES = {
    "/login": "login.html",
    "/signup": "signup.html",
    "/account": "account.html",
    "/bookings/{booking_id}": "booking.html",
    "/password/forgot": "password_forgot.html",
    "/password/reset": "password_reset.html",
    "/email/confirm": "email_confirm.html",
    "/email/undo": "email_undo.html",
    "/email/unsubscribe": "email_unsubscribe.html",
    # Click tracking of mail services turns the "#" before a link's token into "%23".
    "/password/{changed_link}": "link_changed.html",
    "/email/{changed_link}": "link_changed.html",
    "/#/reset/{old_link}": "link_changed.html",
    "/#/email/confirm/{old_link}": "link_changed.html",
    "/#/email/undo/{old_link}": "link_changed.html",
    "/#/bookings/{old_link}": "link_changed.html",
}


def account_pages(renderer: Renderer) -> dict[str, StaticPage]:
    """The pages by their paths."""
    return {path: StaticPage(renderer, template) for path, template in _PAGES.items()}


class StaticPage:
    """A page that is the same for everybody."""

    def __init__(self, renderer: Renderer, template: str, policy: bytes = POLICY) -> None:
        self._renderer = renderer
        self._template = template
        self._policy = policy

    def __call__(self, exchange: Exchange, **_parameter: Any) -> None:
        page = self._renderer.static(self._template, language_of(exchange))
        respond_page(exchange, page, policy=self._policy)
