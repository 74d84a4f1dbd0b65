"""The calls at the door in the OpenAPI document: headers and examples beside what the framework describes."""

from __future__ import annotations

from typing import Any

from gateway.openapi.annotations import describe_problems
from gateway.openapi.examples import PENDING
from gateway.openapi.fast_routes import COMMAND_PARAMETERS, PROBLEM_SCHEMA

_TOKEN = "BCBBKLDF…"
_SCAN = {"token": _TOKEN, "show_id": 7, "gate": "north-2", "nonce": "7f3a91c2"}
_RESULTS = {
    "valid": {"result": "valid", "seat": "C12", "used_at": "2026-11-21T18:30:00.123Z", "gate": "north-2"},
    "already_used": {
        "result": "already_used",
        "seat": "C12",
        "used_at": "2026-11-21T18:30:00.123Z",
        "gate": "north-2",
    },
    "invalid": {"result": "invalid"},
}
_PENDING_HEADERS = {
    "Location": {"description": "The address of the command's status.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
}


def complete_check_in(paths: dict[str, dict[str, Any]]) -> None:
    """Adds parameters, responses and examples to the operations of the framework."""
    scan, undo = paths["/api/checkin"]["post"], paths["/api/checkin/undo"]["post"]
    for operation, example in ((scan, _SCAN), (undo, {"token": _TOKEN})):
        operation["parameters"] = [*operation.get("parameters", []), *COMMAND_PARAMETERS]
        operation["requestBody"]["content"]["application/json"]["example"] = example
        content = operation["responses"]["200"]["content"]["application/json"]
        kind = "CheckInBody" if operation is scan else "UndoneBody"
        content["schema"] = {"$ref": f"#/components/schemas/{kind}"}
        operation["responses"]["200"]["description"] = "Decided, whatever the result."
        operation["responses"]["202"] = {
            "description": "Appended to the log, not decided yet; Location is the command's status.",
            "headers": _PENDING_HEADERS,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/PendingBody"},
                    "example": PENDING,
                }
            },
        }
        operation["responses"]["503"] = {
            "description": describe_problems("overloaded", "log_unavailable", "database_unavailable"),
            "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
        }
    scan["responses"]["200"]["content"]["application/json"]["examples"] = {
        name: {"value": value} for name, value in _RESULTS.items()
    }
    scan["responses"]["200"]["content"]["application/json"].pop("example", None)
