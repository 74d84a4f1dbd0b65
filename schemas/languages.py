"""Language tags in one form: `pt_BR`, `PT-br` and `pt_BR.UTF-8` are `pt-BR`. PURE."""

from __future__ import annotations

import re

from schemas.text import LANGUAGE

_TAG = re.compile(LANGUAGE)
_REGION_OR_SCRIPT = re.compile(r"[A-Za-z]{2,3}[-_]([A-Za-z]{4}|[A-Za-z]{2}|[0-9]{3})(?![A-Za-z0-9])")


def language_tag(text: str) -> str:
    """A language tag in the form of BCP 47, from a tag in any case or the name of a POSIX locale.

    The charset and the modifier of a locale are dropped. The text matches LANGUAGE. Whether such a language
    exists is not checked.
    """
    language, *others = re.split(r"[.@]", text, maxsplit=1)[0].replace("_", "-").split("-")
    subtags, singleton = [language.lower()], False
    for subtag in others:
        singleton = singleton or len(subtag) == 1
        if singleton or len(subtag) not in (2, 4) or not subtag.isalpha():
            subtags.append(subtag.lower())
        else:
            subtags.append(subtag.upper() if len(subtag) == 2 else subtag.title())
    return "-".join(subtags)


def folded_language(text: str) -> str:
    """The language of a movie: words such as French stay; a tag with a region or script gets one form."""
    is_tag = _TAG.match(text) and (len(text) == 2 or _REGION_OR_SCRIPT.match(text))
    return language_tag(text) if is_tag else text
