"""Messages: placeholders, plurals, HTML; catalogues that have every message of the source, with its placeholders."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

from gateway.site.assets import load_assets, messages_in, words_module
from languages.update import Message, catalogue_path, messages_in_sources
from languages.words import LANGUAGES, ORIGINAL, Words, words

TRANSLATED = [code for code in LANGUAGES if code != ORIGINAL]
GERMAN = Words("de", {"{n} seat": ("{n} Platz", "{n} Plätze"), "Seat {label}": ("Platz {label}",)})


@cache
def sources() -> list[Message]:
    return list(messages_in_sources())


def test_placeholders_are_filled_in_and_numbers_written_as_the_language_does() -> None:
    assert GERMAN.gettext("Seat {label}", label="C{n}12") == "Platz C{n}12"
    assert GERMAN.gettext("{n} of {all}", n=1234, all="5") == "1.234 of 5"
    assert GERMAN.gettext("Seat {label}") == "Platz {label}"
    assert GERMAN.gettext("100 % {sure}", other=1) == "100 % {sure}"


def test_plurals_follow_the_language() -> None:
    assert GERMAN.ngettext("{n} seat", "{n} seats", 1) == "1 Platz"
    assert GERMAN.ngettext("{n} seat", "{n} seats", 0) == "0 Plätze"
    assert GERMAN.ngettext("{n} film", "{n} films", 2000) == "2.000 films"
    french = Words("fr", {"{n} seat": ("{n} place", "{n} places")})
    assert [french.ngettext("{n} seat", "{n} seats", n) for n in (0, 1, 2)] == [
        "0 place",
        "1 place",
        "2 places",
    ]


def test_values_that_are_html_stay_html_and_the_rest_is_escaped() -> None:
    made = Words("en", {}).gettext("<{a}> & {b}", a=Markup("<i>A</i>"), b="<script>")
    assert made == "&lt;<i>A</i>&gt; &amp; &lt;script&gt;"
    assert escape(made) == made
    assert escape(Words("en", {}).gettext("{a}", a="<i>")) == "&lt;i&gt;"


def test_the_original_language_has_no_catalogue() -> None:
    assert words(ORIGINAL).messages == {}
    assert words(ORIGINAL).number(12345) == "12,345"


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_message_is_translated(code: str) -> None:
    used = {message.one for message in sources()}
    assert len(used) > 20
    translated = set(words(code).messages)
    assert used - translated == set(), "run `make catalogues`, and fill in what is empty"
    assert translated - used == set(), "run `make catalogues`"


@pytest.mark.parametrize("code", TRANSLATED)
def test_translations_have_the_placeholders_of_their_messages(code: str) -> None:
    for original, translated in words(code).messages.items():
        for text in translated:
            missing = set(re.findall(r"\{\w+\}", original)) ^ set(re.findall(r"\{\w+\}", text))
            assert missing <= ({"{n}"} if len(translated) == 2 else set()), (original, text)
            assert text == text.strip() or original != original.strip(), (original, text)
            assert "\0" not in text


@pytest.mark.parametrize("code", TRANSLATED)
def test_catalogues_have_no_doubtful_entries(code: str) -> None:
    with catalogue_path(code).open("rb") as file:
        catalogue = read_po(file, locale=code, abort_invalid=True)
    assert not [message.id for message in catalogue if message.id and message.fuzzy]
    assert not catalogue.obsolete


def test_messages_with_one_original_have_one_plural() -> None:
    plurals: dict[str, set[str | None]] = {}
    for message in sources():
        plurals.setdefault(message.one, set()).add(message.many)
    assert not {one: many for one, many in plurals.items() if len(many) > 1}


@pytest.mark.parametrize("code", LANGUAGES)
def test_scripts_get_every_message_that_they_use(code: str) -> None:
    module = load_assets().content(f"words/{code}.js").decode()
    messages = json.loads(re.search(r"export const messages = (.+);", module)[1])  # type: ignore[index]
    if code == ORIGINAL:
        assert messages == {}
    else:
        in_scripts = {message.one for message in sources() if message.path.endswith(".js")}
        assert in_scripts
        assert in_scripts <= set(messages)
        assert "This page is not here" not in messages, "it is in no script"


def test_messages_with_quotes_are_found_in_scripts() -> None:
    made = words_module("de", messages_in("_('Programme') _(\"Log in\")")).decode()
    assert '"Programme"' in made
    assert '"Log in"' in made
    assert "Log out" not in made
