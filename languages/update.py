"""Brings the catalogues up to date with the messages in templates, scripts and modules: `make catalogues`.

New messages are added, empty until somebody translates them; those that nothing uses any more are removed. The files
are sorted and name no places in the source, so that only what changes is in a diff.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

from languages.words import LANGUAGES, ORIGINAL, PLURALS

CHECKOUT = Path(__file__).parents[1]
CATALOGUES = CHECKOUT / "languages" / "catalogues"
SOURCES = ("gateway", "notifier", "tickets")

_METHODS = [
    ("**.py", "python"),
    ("**/static/js/**.js", "javascript"),
    ("**/templates/**.html", "jinja2.ext:babel_extract"),
]
_OPTIONS = {"**/templates/**.html": {"silent": "false", "trimmed": "true"}}
_HEADER = """\
# Messages of Aisle in {name}. `make catalogues` adds new ones; then fill in what is empty.
msgid ""
msgstr ""
"Language: {code}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=({plural});\\n"

"""
_MOST_PRINTED = 20


class Message(NamedTuple):
    """A message in the source. `path` is a file that has it."""

    one: str
    many: str | None
    path: str


def messages_in_sources() -> Iterator[Message]:
    """Every `_('…')` and `ngettext('…', '…', n)`."""
    for folder in SOURCES:
        found = extract_from_dir(
            CHECKOUT / folder, _METHODS, _OPTIONS, keywords={**DEFAULT_KEYWORDS, "_": None}
        )
        for path, _line, text, _comments, _context in found:
            one, many = (text, None) if isinstance(text, str) else (text[0], text[1])
            yield Message(one, many, f"{folder}/{path}")


def catalogue_path(code: str) -> Path:
    """The file of a language."""
    return CATALOGUES / f"{code}.po"


def update(code: str, messages: list[Message]) -> tuple[int, list[str]]:
    """Updates the catalogue of a language. Returns the number of messages, and those without a translation."""
    path = catalogue_path(code)
    before = Catalog(locale=code)
    if path.exists():
        with path.open("rb") as file:
            before = read_po(file, locale=code)
    now = Catalog(locale=code)
    missing = []
    for message in sorted({(message.one, message.many) for message in messages}, key=str):
        one, many = message
        known = before.get(one)
        string = known.string if known is not None and not known.fuzzy else None
        if (many is not None) == isinstance(string, (tuple, list)) and string and all(string):
            translated = string
        else:
            translated = "" if many is None else ("", "")
            missing.append(one)
        now.add(one if many is None else (one, many), translated)
    write_catalogue(code, now)
    return len(now), missing


def write_catalogue(code: str, catalogue: Catalog) -> None:
    """Writes the catalogue of a language, always in the same way."""
    with catalogue_path(code).open("wb") as file:
        file.write(_HEADER.format(name=LANGUAGES[code], code=code, plural=PLURALS[code]).encode())
        write_po(file, catalogue, width=0, omit_header=True, sort_output=True)


def main() -> None:
    """Updates every catalogue, and prints what is missing."""
    messages = list(messages_in_sources())
    for code, name in LANGUAGES.items():
        if code != ORIGINAL:
            count, missing = update(code, messages)
            print(f"{name}: {count} messages, {len(missing)} to translate")
            for original in missing[:_MOST_PRINTED]:
                print(f"    {original}")


if __name__ == "__main__":
    main()
