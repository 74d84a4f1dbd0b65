"""The words of a language: messages by their English original, from gettext catalogues.

A message may have placeholders, `{name}`. Numbers in them are written as the language does. What a catalogue lacks
stays English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = {"en": "English", "es": "Español", "de": "Deutsch", "fr": "Français", "hi": "हिन्दी"}
"""Every language by its code, with its own name."""

ORIGINAL = "en"
"""The language of the messages themselves; it has no catalogue."""

PLURALS = {"en": "n != 1", "es": "n != 1", "de": "n != 1", "fr": "n > 1", "hi": "n > 1"}
"""When the plural is used; the same in Python and JavaScript."""

_LOCALES = {"en": "en_GB"}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Words:
    """The messages of one language. `messages`: the original → the translation, with its plural where it has one."""

    def __init__(self, code: str, messages: Mapping[str, tuple[str, ...]]) -> None:
        self.code = code
        self.locale = locale_of(code)
        self.messages = messages
        self._is_plural: Callable[[int], bool] = _PLURAL_RULES[PLURALS[code]]

    def gettext(self, message: str, **values: Any) -> str:
        """The translation of a message, with its placeholders filled in."""
        found = self.messages.get(message)
        return self._filled(message if found is None else found[0], values)

    def ngettext(self, one: str, many: str, n: int, **values: Any) -> str:
        """The translation that fits `n`, which is also the placeholder `{n}`."""
        found = self.messages.get(one)
        text = one if n == 1 else many
        if found is not None and len(found) == 2:
            text = found[self._is_plural(n)]
        return self._filled(text, {"n": n, **values})

    def number(self, value: int) -> str:
        """A number as the language writes it."""
        # Most numbers are small, and written alike in all of our languages.
        return str(value) if 0 <= value < 1000 else str(format_decimal(value, locale=self.locale))

    def _filled(self, text: str, values: Mapping[str, Any]) -> str:
        if not values or "{" not in text:
            return text
        if any(hasattr(value, "__html__") for value in values.values()):
            return self._filled_html(text, values)
        return _PLACEHOLDER.sub(lambda place: self._written(values, place), text)

    def _filled_html(self, text: str, values: Mapping[str, Any]) -> str:
        """Fills in values that are HTML; all the rest is escaped."""
        from markupsafe import Markup, escape

        def written(place: re.Match[str]) -> str:
            return str(escape(values.get(place[1], place[0])))

        return Markup(_PLACEHOLDER.sub(written, str(escape(text))))

    def _written(self, values: Mapping[str, Any], place: re.Match[str]) -> str:
        value = values.get(place[1], place[0])
        return self.number(value) if type(value) is int else str(value)


_PLURAL_RULES: dict[str, Callable[[int], bool]] = {"n != 1": lambda n: n != 1, "n > 1": lambda n: n > 1}


@lru_cache
def words(code: str) -> Words:
    """The words of a language. Reads its catalogue once."""
    assert code in LANGUAGES, code
    messages: dict[str, tuple[str, ...]] = {}
    if code == ORIGINAL:
        return Words(code, messages)
    path = resources.files("languages").joinpath("catalogues", f"{code}.po")
    with path.open("rb") as file:
        for message in read_po(file, locale=code):
            if not message.id or message.fuzzy:
                continue
            original = message.id if isinstance(message.id, str) else message.id[0]
            translated = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
            if translated and all(translated):
                messages[original] = translated
    return Words(code, messages)


def locale_of(code: str) -> str:
    """The locale in which a language's dates, prices and numbers are written."""
    return _LOCALES.get(code, code)
