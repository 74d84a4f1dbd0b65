"""Simplification of the OpenAPI document to constructs that client generators support."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

from gateway.openapi.annotations import ProblemBody

_OMITS_DEFAULTS = frozenset({ProblemBody.__name__})
"""Response bodies that omit fields with their default value."""


def simplify(document: dict[str, Any]) -> dict[str, Any]:
    """Adds types to enums, unwraps single alternatives, removes null from parameters and indents from descriptions,
    and marks response fields as required."""
    document = _simplified(document)
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _without_null(parameter["schema"])
            for response in operation["responses"].values():
                bodies = response.get("content", {}).values()
                if bodies and all(body.get("schema") == {"type": "null"} for body in bodies):
                    del response["content"]  # a response without a body
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        # A response contains every field with a default; only a request may omit it.
        if name not in _OMITS_DEFAULTS and schema.get("additionalProperties") is not False:
            with_default = {field for field, one in schema.get("properties", {}).items() if "default" in one}
            required = {*schema.get("required", ()), *with_default}
            schema["required"] = [field for field in schema["properties"] if field in required]
    return document


def _simplified(value: Any) -> Any:
    if isinstance(value, list):
        return [_simplified(one) for one in value]
    if not isinstance(value, dict):
        return value
    simplified = {name: _simplified(one) for name, one in value.items()}
    if "$ref" in simplified and "type" in simplified:
        return {"$ref": simplified["$ref"]}
    if isinstance(values := simplified.get("enum"), list) and all(isinstance(one, str) for one in values):
        simplified.setdefault("type", "string")
    if isinstance(text := simplified.get("description"), str):
        simplified["description"] = cleandoc(text)
    for kind in ("oneOf", "anyOf"):
        if isinstance(choices := simplified.get(kind), list):
            choices = simplified[kind] = _without_integers(choices)
            if len(choices) == 1:
                del simplified[kind]
                simplified = choices[0] | simplified
    return simplified


def _without_integers(choices: list[Any]) -> list[Any]:
    """Leaves integers out where any number is allowed: an integer would match both."""
    if not any(choice.get("type") == "number" for choice in choices):
        return choices
    return [choice for choice in choices if choice.get("type") != "integer"]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kinds := schema.get("type"), list):
        schema = schema | {"type": next(kind for kind in kinds if kind != "null")}
    if None in schema.get("enum", ()):
        schema = schema | {"enum": [one for one in schema["enum"] if one is not None]}
    for kind in ("oneOf", "anyOf"):
        if kind in schema:
            choices = [_without_null(one) for one in schema[kind] if one != {"type": "null"}]
            rest = {name: one for name, one in schema.items() if name != kind}
            return choices[0] | rest if len(choices) == 1 else rest | {kind: choices}
    return schema
