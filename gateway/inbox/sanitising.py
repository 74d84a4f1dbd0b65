"""The HTML of an e-mail as the inbox shows it: elements and styles that draw something, and links. Pure.

The frame that shows it has a sandbox and a policy of its own; this is the first of the three.
"""

from __future__ import annotations

import nh3

_TAGS = (nh3.ALLOWED_TAGS | {"style", "font"}) - {"map", "area"}
_LAYOUT = {"style", "class", "dir", "lang", "align", "valign", "width", "height", "bgcolor", "role", "border"}
_ATTRIBUTES = {
    "*": _LAYOUT,
    "a": {"href", "title"},
    "img": {"src", "alt", "title"},
    "table": {"cellpadding", "cellspacing"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}


def sanitised(html: str) -> str:
    """The document without scripts, forms, frames, handlers of events and addresses of other schemes."""
    body = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags={"script", "title"},
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )
    return f'<!DOCTYPE html><meta charset="utf-8"><base target="_blank">{body}'
