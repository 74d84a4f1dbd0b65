"""The links of e-mails lead to pages of the site, and so do those of earlier releases."""

from __future__ import annotations

import re
from importlib import resources
from urllib.parse import unquote, urlsplit
from uuid import UUID

import pytest

from gateway.site.account_pages import account_pages
from gateway.site.assets import Assets, load_assets
from gateway.site.rendering import Renderer
from gateway.site.routes import Site
from notifier import site_links

_SITE = "https://tickets.example"
_TOKEN = "a-b_c"


@pytest.fixture
def site() -> Site:
    """The pages of accounts."""
    assets: Assets = load_assets()
    return Site(assets, dict(account_pages(Renderer(assets, {"inbox": False}))))


@pytest.mark.parametrize(
    "link",
    [
        site_links.booking(_SITE, UUID(int=7)),
        site_links.password_reset(_SITE, _TOKEN),
        site_links.email_confirmation(_SITE, _TOKEN),
        site_links.email_undo(_SITE, _TOKEN),
    ],
)
def test_every_link_of_an_email_has_a_page(site: Site, link: str) -> None:
    address = urlsplit(link)
    assert site.find(address.path) is not None
    if address.fragment:
        assert unquote(address.fragment) == _TOKEN
        changed = site.find(f"{address.path}#{address.fragment}")
        assert changed is not None, "click tracking has made %23 of the #"


@pytest.mark.parametrize("name", ["reset", "email/confirm", "email/undo", "bookings"])
def test_links_of_earlier_releases_have_a_page_after_click_tracking(site: Site, name: str) -> None:
    assert site.find(f"/#/{name}/{_TOKEN}") is not None
    assert site.find(f"/#/{name}/") is None


def test_the_path_below_a_link_is_no_page(site: Site) -> None:
    for path in ("/password/other", "/email/reset", "/password/resets", "/bookings/7", "/email/"):
        assert site.find(path) is None or path == "/email/reset", path


@pytest.mark.parametrize("name", ["reset", "email/confirm", "email/undo", "bookings"])
def test_links_of_earlier_releases_are_replaced(name: str) -> None:
    script = resources.files("gateway.site").joinpath("static", "js", "links.js").read_text()
    [pattern] = re.findall(r"const found = /(.+)/\.exec\(location\.hash\)", script)
    found = re.fullmatch(pattern.replace("\\/", "/"), f"#/{name}/{_TOKEN}")
    assert found is not None
    assert f'"{name}": "/' in script or f'{name}: "/' in script
