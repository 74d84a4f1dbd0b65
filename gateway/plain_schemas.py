"""Schemas of the OpenAPI document in the form that client generators take without loss."""

from __future__ import annotations

from typing import Any

from gateway.documents import ProblemBody

_OMITS_DEFAULTS = frozenset({ProblemBody.__name__})
"""Bodies of answers that leave out fields with their default."""


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """The document: enums with a type, no alternatives of one, no parameter that may be null, all answers whole."""
    document = _walked(document)
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _never_null(parameter["schema"])
            for response in operation["responses"].values():
                bodies = response.get("content", {}).values()
                if bodies and all(body.get("schema") == {"type": "null"} for body in bodies):
                    del response["content"]  # an answer without a body
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        # An answer has every field that has a default; only a request may leave them out.
        if name not in _OMITS_DEFAULTS and schema.get("additionalProperties") is not False:
            with_default = {field for field, one in schema.get("properties", {}).items() if "default" in one}
            required = {*schema.get("required", ()), *with_default}
            schema["required"] = [field for field in schema["properties"] if field in required]
    return document


def _walked(value: Any) -> Any:
    if isinstance(value, list):
        return [_walked(one) for one in value]
    if not isinstance(value, dict):
        return value
    walked = {name: _walked(one) for name, one in value.items()}
    if "$ref" in walked and "type" in walked:
        return {"$ref": walked["$ref"]}
    if isinstance(values := walked.get("enum"), list) and all(isinstance(one, str) for one in values):
        walked.setdefault("type", "string")
    if isinstance(choices := walked.get("oneOf"), list) and len(choices) == 1:
        del walked["oneOf"]
        walked = choices[0] | walked
    return walked


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kinds := schema.get("type"), list):
        schema = schema | {"type": next(kind for kind in kinds if kind != "null")}
    if None in schema.get("enum", ()):
        schema = schema | {"enum": [one for one in schema["enum"] if one is not None]}
    for kind in ("oneOf", "anyOf"):
        if kind in schema:
            choices = [_never_null(one) for one in schema[kind] if one != {"type": "null"}]
            rest = {name: one for name, one in schema.items() if name != kind}
            return choices[0] | rest if len(choices) == 1 else rest | {kind: choices}
    return schema
