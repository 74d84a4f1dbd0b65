"""The words of a page, and which of them need no translation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

from babel import Locale
from babel.messages.pofile import read_po
from playwright.async_api import Page

_WORD = re.compile(r"[^\W\d_]{2,}")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VISIBLE = """
() => {
  const found = new Set([document.title]);
  const visible = element => element.checkVisibility({ visibilityProperty: true });
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (["SCRIPT", "STYLE", "TEMPLATE", "NOSCRIPT"].includes(element.tagName)) continue;
    if (element.closest("[translate=no], [lang]:not(html)") === null && visible(element)) found.add(node.data);
  }
  for (const name of ["aria-label", "alt", "title", "placeholder", "aria-description"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      if (element.closest("[translate=no]") === null && visible(element)) found.add(element.getAttribute(name));
    }
  }
  return [...found].map(text => text.replace(/\\s+/gu, " ").trim()).filter(text => text !== "");
}
"""


async def visible_strings(page: Page) -> set[str]:
    """Returns the texts that a page shows or reads aloud. Parts in a language of their own are left out."""
    return set(await page.evaluate(_VISIBLE))


def words(text: str) -> set[str]:
    """Returns the words of two letters or more, in lower case; ids of bookings are none."""
    return {word.lower() for word in _WORD.findall(_ID.sub("", text))}


def words_of(value: Any) -> Iterator[str]:
    """Yields the words of all strings in a JSON value: names and titles need no translation."""
    if isinstance(value, str):
        yield from words(value)
    elif isinstance(value, dict):
        for one in value.values():
            yield from words_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from words_of(one)


def same_in(language: str) -> set[str]:
    """Returns the words of messages that are the same in English and in this language, and names of months."""
    catalogue = files("languages").joinpath("catalogues", f"{language}.po")
    same: set[str] = set()
    with catalogue.open("rb") as file:
        for message in read_po(file, locale=language):
            sources, translations = _forms(message.id), _forms(message.string)
            if message.id and set(sources) & set(translations):
                same |= {word for text in sources for word in words(text)}
    for locale in (Locale("en"), Locale(language)):
        for width in ("wide", "abbreviated"):
            same |= {word for name in locale.months["format"][width].values() for word in words(str(name))}
    return same


def _forms(texts: Any) -> Iterable[str]:
    return (texts,) if isinstance(texts, str) else tuple(texts or ())
