"""Language tags: one form whatever the spelling, and invalid tags."""

from __future__ import annotations

import re

import msgspec
import pytest

from schemas.api_accounts import ChangeMeBody, SignupBody
from schemas.api_catalogue import ChangeMovieBody, NewMovieBody
from schemas.languages import folded_language, language_tag
from schemas.text import LANGUAGE

TAGS = {
    "pt_BR": "pt-BR",
    "DE": "de",
    "de-at": "de-AT",
    "zh_Hant_TW.UTF-8": "zh-Hant-TW",
    "ZH-HANT-tw": "zh-Hant-TW",
    "de_DE@euro": "de-DE",
    "ca_ES.UTF-8@valencia": "ca-ES",
    "sr_latn": "sr-Latn",
    "es-419": "es-419",
    "sl-ROZAJ-1994": "sl-rozaj-1994",
    "de-de-U-CO-PHONEBK": "de-DE-u-co-phonebk",
    "EN_x_AB": "en-x-ab",
    "haw": "haw",
    "en": "en",
}
NO_LANGUAGES = [
    "C",
    "POSIX",
    "C.UTF-8",
    "",
    " ",
    "de ",
    "de\n",
    "d",
    "english",
    "de--AT",
    "de-",
    "_DE",
    "д",
    "de/at",
]


@pytest.mark.parametrize(("given", "tag"), TAGS.items())
def test_a_tag_has_one_form(given: str, tag: str) -> None:
    assert re.match(LANGUAGE, given)
    assert language_tag(given) == tag == language_tag(tag)
    signup = {"username": "ada", "email": "a@b.example", "password": "p" * 10, "language": given}
    assert msgspec.convert(signup, SignupBody).language == tag
    assert msgspec.convert({"language": given}, ChangeMeBody).language == tag
    assert msgspec.convert({}, ChangeMeBody).language is msgspec.UNSET


@pytest.mark.parametrize("given", NO_LANGUAGES)
def test_an_invalid_language_tag_is_rejected(given: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"language": given}, ChangeMeBody)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("pt_BR", "pt-BR"),
        ("DE", "de"),
        ("zh_Hant_TW.UTF-8", "zh-Hant-TW"),
        ("French", "French"),
        ("Lao", "Lao"),
        ("Hmong-Mien", "Hmong-Mien"),
        ("Français", "Français"),
        ("en, de", "en, de"),
        ("C", "C"),
        ("", ""),
    ],
)
def test_the_language_of_a_movie_is_folded_where_it_is_a_tag(given: str, kept: str) -> None:
    assert folded_language(given) == kept
    new = msgspec.convert({"title": "A", "duration_minutes": 1, "language": given}, NewMovieBody)
    assert new.language == kept == msgspec.convert({"language": given}, ChangeMovieBody).language
