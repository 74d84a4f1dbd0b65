"""Request bodies: decoded strictly, with an error for every invalid field."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any, TypeVar

import msgspec

from gateway.http.problems import Problem
from schemas.text import WORDS

T = TypeVar("T")

_AT = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"Object missing required field `(.*?)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`")
_PATTERN = re.compile(r"Expected `str` matching regex (.*)", re.DOTALL)
_WORDS = {repr(pattern): words for pattern, words in WORDS.items()}
_MAX_ERRORS = 20
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decode_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decodes a body into the decoder's type. Raises Problem: `invalid_json`, or `validation` with the fields."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        field, message = _field_and_message(str(error))
        first = (field or "body", message)
    except _NOT_JSON as error:
        raise _invalid_json(error) from None
    # The decoder stops at the first error. Clients with forms need one error per field, so the body is decoded
    # again without a type; the part after the first error may turn out not to be JSON.
    try:
        document = msgspec.json.decode(body)
    except msgspec.ValidationError:
        raise invalid(first) from None  # a number outside of every type
    except _NOT_JSON as error:
        raise _invalid_json(error) from None
    raise invalid(*(_every_error(decoder.type, document) or [first]))


def has_content(body: bytes) -> bool:
    """True unless a body consists of white space and a byte order mark only."""
    return bool(body) and bool(body.removeprefix(_BYTE_ORDER_MARK).strip(b" \t\r\n"))


def check_no_fields(body: bytes) -> None:
    """Checks the body of a call without fields: it may be empty, `null` or `{}`.

    Raises Problem: `invalid_json`, or `validation` with the fields.
    """
    if not has_content(body):
        return
    try:
        document = msgspec.json.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except msgspec.ValidationError:
        document = body  # a number outside of every type
    except _NOT_JSON as error:
        raise _invalid_json(error) from None
    if document is None or document == {}:
        return
    if isinstance(document, dict):
        raise invalid(*_unknown_fields(document)[:_MAX_ERRORS])
    raise invalid(("body", "this call has no fields: send no body, or {}"))


def invalid(*errors: tuple[str, str]) -> Problem:
    """The problem `validation` with these errors, as (field, message)."""
    fields = ", ".join(dict.fromkeys(field for field, _ in errors))
    return Problem("validation", f"Correct {fields} and send the request again.", errors=errors)


def _invalid_json(error: Exception) -> Problem:
    return Problem("invalid_json", f"The body has to be JSON in UTF-8: {_sentence(str(error))}")


def _every_error(struct: Any, document: Any) -> list[tuple[str, str]]:
    if not isinstance(document, dict):
        return []
    errors = []
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, field in fields.items():
        if name in document:
            try:
                msgspec.convert(document[name], field.type)
            except msgspec.ValidationError as error:
                inner, message = _field_and_message(str(error))
                dot = "." if inner and not inner.startswith("[") else ""
                errors.append((f"{name}{dot}{inner}", message))
        elif field.required:
            errors.append((name, "this field is missing"))
    errors += _unknown_fields(document, known=fields)
    return errors[:_MAX_ERRORS]


def _unknown_fields(document: dict[str, Any], known: Container[str] = ()) -> list[tuple[str, str]]:
    return [(name[:60], "there is no such field here") for name in document if name not in known]


def _field_and_message(text: str) -> tuple[str, str]:
    at = _AT.search(text)
    path = at[1] if at else ""
    text = text[: at.start()] if at else text
    dot = "." if path else ""
    if missing := _MISSING.match(text):
        return f"{path}{dot}{missing[1]}", "this field is missing"
    if unknown := _UNKNOWN.match(text):
        return f"{path}{dot}{unknown[1][:60]}", "there is no such field here"
    if pattern := _PATTERN.match(text):
        return path, _WORDS.get(pattern[1], "has characters that are not allowed here")
    return path, _sentence(text.replace("`", "").replace("Expected", "expected", 1))


def _sentence(text: str) -> str:
    return (text[:1].lower() + text[1:] if text[1:2].islower() else text)[:200]
