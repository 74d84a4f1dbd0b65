"""Pages from templates: Jinja2 with the words, prices and dates of a language.

In a template, `_('…', name=value)` and `ngettext('…', '…', n)` translate, `|money`, `|date(zone)`, `|time(zone)` and
`|datetime(zone)` write values, and `asset('pages/show.js')` is the address of a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import jinja2

from gateway.http.etags import etag_of
from gateway.site import formats
from gateway.site.assets import Assets
from languages.words import LANGUAGES, words

_language: ContextVar[str] = ContextVar("language")
"""The language of the page that is being rendered."""


class RenderedPage(NamedTuple):
    """A page with the strong tag of its body."""

    body: bytes
    etag: bytes


class Renderer:
    """Renders the templates of `gateway.site`, and of `more_packages`, which may extend them.

    `values` are known in every template, such as `inbox`: whether there is one to link to.
    """

    def __init__(
        self, assets: Assets, values: Mapping[str, Any], more_packages: tuple[str, ...] = ()
    ) -> None:
        loaders = [jinja2.PackageLoader(package) for package in ("gateway.site", *more_packages)]
        self._environment = environment = jinja2.Environment(
            loader=jinja2.ChoiceLoader(loaders),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        translations: Any = environment
        translations.install_gettext_callables(_gettext, _ngettext, newstyle=False)
        environment.globals |= {
            "_": _gettext,
            "asset": assets.address,
            "languages": LANGUAGES,
            **values,
        }
        environment.filters |= {
            "money": lambda amount: formats.money(amount, _language.get()),
            "date": lambda moment, zone, style="full": formats.date(moment, zone, _language.get(), style),
            "time": lambda moment, zone: formats.time(moment, zone, _language.get()),
            "datetime": lambda moment, zone, style="full": formats.date_time(
                moment, zone, _language.get(), style
            ),
            "number": lambda value: words(_language.get()).number(value),
        }
        self._static: dict[tuple[str, str], RenderedPage] = {}

    def render(self, template: str, language: str, **values: Any) -> bytes:
        """The page that a template makes of these values."""
        before = _language.set(language)
        try:
            made = self._environment.get_template(template).render(language=language, **values)
        finally:
            _language.reset(before)
        return made.encode()

    def static(self, template: str, language: str) -> RenderedPage:
        """The page of a template without values, the same for everybody. Rendered once."""
        page = self._static.get((template, language))
        if page is None:
            body = self.render(template, language)
            page = self._static[template, language] = RenderedPage(body, etag_of(body))
        return page


def _gettext(message: str, **values: Any) -> str:
    return words(_language.get()).gettext(message, **values)


def _ngettext(one: str, many: str, n: int, **values: Any) -> str:
    return words(_language.get()).ngettext(one, many, n, **values)
