"""Writes an e-mail as HTML and as plain text, each from one template; the style sheet goes into the elements."""

from __future__ import annotations

import json
import textwrap
import unicodedata
from collections.abc import Mapping
from typing import Any

import css_inline
import jinja2
import msgspec
from markupsafe import Markup

from notifier.email_parts import Content
from tickets.formats import one_line

_WIDTH = 76
_UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&'\u2028\u2029"}


class Email(msgspec.Struct, frozen=True):
    """An e-mail without addresses."""

    subject: str
    text: str
    html: str
    one_click: str = ""
    """The address that a mail program posts to, so that no more e-mails of this kind are sent."""


def _data_block(data: Mapping[str, Any]) -> Markup:
    """JSON for a script element. Nothing in it can end the element or be taken for HTML."""
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _underlined(text: str, line: str) -> str:
    """A heading. The line is as long as what stands above it: marks on letters take no place of their own."""
    width = sum(unicodedata.category(c) not in ("Mn", "Me", "Cf") for c in text)
    return f"{text}\n{line * width}"


_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("notifier"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_templates.filters |= {"wrapped": _wrapped, "underlined": _underlined, "data_block": _data_block}
_inliner = css_inline.CSSInliner(
    keep_at_rules=True,
    resolve_css_variables=True,
    load_remote_stylesheets=False,
    cache=css_inline.StylesheetCache(2),
)


def render(content: Content) -> Email:
    """The e-mail as text and HTML."""
    values = {
        "content": content,
        "_": content.words.gettext,
        "language": content.words.code,
        "preview": next((section.lead for section in content.sections if section.lead), content.heading),
    }
    html = _templates.get_template("email.html").render(values)
    return Email(
        subject=one_line(content.subject),
        text=_templates.get_template("email.txt").render(values),
        html=_inliner.inline(html),
        one_click=content.one_click,
    )
