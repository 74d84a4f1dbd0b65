"""Query strings: percent-encoded UTF-8, known parameters only, each at most once."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import parse_qsl

from gateway.http.bodies import invalid
from gateway.http.problems import Problem

_MAX_BYTES = 2048
_MAX_FIELDS = 50
_STRAY_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def query_parameters(query: bytes, known: Collection[str]) -> dict[str, str]:
    """The parameters of a fast route's query. Raises Problem `validation` for the first that is wrong."""
    if not query:
        return {}
    if len(query) > _MAX_BYTES:
        raise Problem("uri_too_long", f"A query has at most {_MAX_BYTES} bytes.")
    _check_percent_encoding(query)
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise invalid(("query", "percent-encoded UTF-8 is wanted")) from None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise invalid((name[:60], "there is no such parameter here"))
        if name in parameters:
            raise invalid((name, "give it once"))
        if "\0" in value:
            raise invalid((name, "NUL is not allowed"))
        parameters[name] = value
    return parameters


def read_query(raw: bytes, known: Collection[str]) -> dict[str, str]:
    """The parameters of a query. Raises Problem `validation` that lists all that are wrong."""
    _check_percent_encoding(raw)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except UnicodeDecodeError:
        raise invalid(("query", "percent-encoded UTF-8 is wanted")) from None
    except ValueError:
        raise invalid(("query", f"at most {_MAX_FIELDS} fields")) from None
    names = [name for name, _ in pairs]
    errors = [
        (name[:60], "there is no such field here") for name in dict.fromkeys(names) if name not in known
    ]
    errors += [(name, "this field may be given once") for name in known if names.count(name) > 1]
    errors += [(name, "NUL is not allowed") for name, value in pairs if name in known and "\0" in value]
    if errors:
        raise invalid(*errors)
    return dict(pairs)


def _check_percent_encoding(query: bytes) -> None:
    if b"%" in query and _STRAY_PERCENT.search(query):
        raise invalid(("query", "percent-encoded UTF-8 is wanted: % itself is %25"))
