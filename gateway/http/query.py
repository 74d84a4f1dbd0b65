"""What stands after the question mark: known fields only, each once."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qsl

from gateway.http.bodies import invalid
from gateway.http.exchange import check_percent_encoding

_MAX_FIELDS = 50


def read_query(raw: bytes, known: Collection[str]) -> dict[str, str]:
    """The fields of a query, in UTF-8 and without NUL. Raises Problem `validation` with all that are wrong."""
    check_percent_encoding(raw)
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
