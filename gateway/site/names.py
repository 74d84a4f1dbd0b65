"""Genres, ratings and languages of films in the words of a page.

Staff enter them as text. The usual English words are translated, anything else is shown as it is.
"""

from __future__ import annotations

from functools import lru_cache

from babel import Locale

from languages.words import locale_of, words
from schemas.api_catalogue import MovieBody


def _(message: str) -> str:
    """Marks a message for the catalogues."""
    return message


GENRES = (
    _("Action"),
    _("Adventure"),
    _("Animation"),
    _("Biography"),
    _("Comedy"),
    _("Concert"),
    _("Crime"),
    _("Documentary"),
    _("Drama"),
    _("Family"),
    _("Fantasy"),
    _("History"),
    _("Horror"),
    _("Music"),
    _("Musical"),
    _("Mystery"),
    _("Opera"),
    _("Romance"),
    _("Science fiction"),
    _("Sport"),
    _("Theatre"),
    _("Thriller"),
    _("War"),
    _("Western"),
)
RATINGS = (_("All ages"),)

_AFTER_LATIN = 0x370

_KNOWN = {word.lower(): word for word in (*GENRES, *RATINGS)}


def translated(word: str, language: str) -> str:
    """A genre or rating in a language."""
    known = _KNOWN.get(word.lower())
    return word if known is None else words(language).gettext(known)


def language_name(given: str, language: str) -> str:
    """The name of a film's language, given as a word such as `French` or as a tag, in a language."""
    code = language_code(given)
    if code is None:
        return given
    name = Locale.parse(locale_of(language)).languages.get(code)
    return str(name) if name else given


def language_code(given: str) -> str | None:
    """The code of a film's language, if it is the English name or the tag of one."""
    lower = given.strip().lower()
    names = _codes_by_name()
    if lower in names:
        return names[lower]
    code = lower.replace("_", "-").partition("-")[0]
    return code if 2 <= len(code) <= 3 and code in names.values() else None


def language_of_title(movie: MovieBody) -> str | None:
    """The code of the language that a title is in, where its script shows that it is the film's."""
    if not any(ord(character) >= _AFTER_LATIN and character.isalpha() for character in movie.title):
        return None
    return language_code(movie.language)


@lru_cache(maxsize=1)
def _codes_by_name() -> dict[str, str]:
    return {str(name).lower(): code for code, name in Locale.parse("en").languages.items() if "_" not in code}
