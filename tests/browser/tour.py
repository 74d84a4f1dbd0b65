"""Every page of the site, with something on it: what is tested for accessibility and languages, and pictured."""

from __future__ import annotations

from typing import NamedTuple

from tests.browser.site import Account, Site


class Place(NamedTuple):
    """A page of the site."""

    name: str
    path: str
    logged_in: bool = False
    status: int = 200


class Tour(NamedTuple):
    """All pages, and the customer who has something on them."""

    places: list[Place]
    account: Account

    def place(self, name: str) -> Place:
        """Returns a page by its name."""
        return next(place for place in self.places if place.name == name)


async def prepare_tour(site: Site) -> Tour:
    """Signs up a customer, makes bookings of each kind, and lists the pages."""
    account = await site.customer(name="Ada Lovelace")
    show = await site.theatre()
    coming = await site.book(account, show["id"], "D10", "D11")
    held = await site.hold(account, show["id"], "F12", hold_s=900)
    cancelled = await site.book(account, show["id"], "G12")
    async with site.client(account.id) as client:
        answer = await client.post(f"/api/bookings/{cancelled['id']}/cancel", json={})
    assert answer.status_code == 200, answer.text
    movie = show["movie"]["id"]
    places = [
        Place("programme", "/"),
        Place("movie", f"/movies/{movie}"),
        Place("show", f"/shows/{show['id']}"),
        Place("show-held", f"/shows/{show['id']}", logged_in=True),
        Place("booking", f"/bookings/{coming['id']}", logged_in=True),
        Place("booking-held", f"/bookings/{held['id']}", logged_in=True),
        Place("booking-cancelled", f"/bookings/{cancelled['id']}", logged_in=True),
        Place("account", "/account", logged_in=True),
        Place("login", "/login"),
        Place("signup", "/signup"),
        Place("password-forgot", "/password/forgot"),
        Place("password-reset", "/password/reset#a-token"),
        Place("email-confirm", "/email/confirm#a-token"),
        Place("email-undo", "/email/undo#a-token"),
        Place("not-found", "/nothing-here", status=404),
        Place("problems", "/problems"),
        Place("inbox", "/inbox"),
    ]
    return Tour(places, account)
