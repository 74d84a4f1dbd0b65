"""A client generated from the OpenAPI document, books at a running instance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.client_generator import ClientGenerator
from tests.e2e.running import RunningAisle

RUN = Path(__file__).with_name("generated_client_run.py")
pytestmark = pytest.mark.timeout(600)  # the first time, the generator is installed


@pytest.fixture(scope="module")
def generator() -> ClientGenerator:
    return ClientGenerator()


@pytest.fixture
def document(laptop: RunningAisle, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_bytes(httpx.get(f"{laptop.url}/openapi.json").content)
    return path


def schemas_in(value: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields every schema in the document, with its path."""
    if isinstance(value, dict):
        if at.endswith(("/schema", "/items")) or re.search(r"/(schemas|properties)/\w+$", at):
            yield at, value
        for name, one in value.items():
            if name not in ("example", "examples", "default", "enum"):
                yield from schemas_in(one, f"{at}/{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from schemas_in(one, f"{at}/{number}")


def test_the_document_is_valid_and_every_part_of_it_is_typed(
    generator: ClientGenerator, document: Path
) -> None:
    assert "OK" in generator.validate(document)
    seen = 0
    for at, schema in schemas_in(json.loads(document.read_text())):
        if at.endswith("/properties/items") and "type" not in schema:
            continue  # a field with the name `items`
        assert {"type", "$ref", "oneOf", "anyOf"} & set(schema), at
        if schema.get("type") == "object":
            assert {"properties", "additionalProperties"} & set(schema), at
        if schema.get("type") == "string" and (name := re.search(r"/properties/(\w+)$", at)):
            if name[1].endswith("_at") or name[1] == "at":
                assert schema["format"] == "date-time", at
            if name[1] == "email":
                assert schema["format"] == "email", at
            if name[1] == "booking_id":
                assert schema["format"] == "uuid", at
        seen += 1
    assert seen > 300


def test_a_generated_client_books_waits_polls_and_cancels(
    generator: ClientGenerator, laptop: RunningAisle, document: Path, tmp_path: Path
) -> None:
    printed = generator.generate(document, tmp_path)
    assert not re.search("warning|skip|unable|unsupported|omitted|error", printed, re.IGNORECASE), printed
    name = f"gen-{uuid4().hex[:10]}"
    given = f"{laptop.url} {laptop.token(2, 'admin')} {name}"
    facts = json.loads(generator.run([str(RUN)], package_in=tmp_path, given=given))
    sales = facts.pop("sales")
    assert sales == ["SalesPage", "date"]
    assert facts == {
        "user": ["UserBody", f"{name}@example.com", "datetime", "customer"],
        "taken": [409, "ProblemBody", facts["taken"][2]],
        "me": True,
        "show": ["ShowBody", "datetime", "on_sale", None],
        "listed": True,
        "states": "a" * 20,
        "booking": [
            "BookingBody", "UUID", "datetime", None, ["2", "3"],
            {"amount": 2500, "currency": "EUR"}, "PositionBody", True,
        ],
        "refused": [409, "ProblemBody", "seat_taken", "/problems/seat_taken", ["2"], "PositionBody"],
        "wrong": ["validation", ["seats[0]"]],
        "pending": ["PendingBody", "pending"],
        "command status": ["AcceptedBody", "BookingBody", ["5"]],
        "refused command status": ["RefusedBody", "ProblemBody", "seat_taken", "PositionBody"],
        "beyond": "not_found",
        "held": ["held", "datetime"],
        "yours": ["seat_taken", True],
        "extended": ["BookingBody", True],
        "changed": [["19", "20"], True],
        "walk-in": [None, "Back row"],
        "swapped": [True, ["18"]],
        "too dear": "not_enough_seats",
        "confirmed": "confirmed",
        "ticket": ["File", "%PDF-", True, True],
        "cancelled": ["cancelled", "cancelled"],
        "no ticket": [True, "already_cancelled"],
        "mine": [[True], None],
    }  # fmt: skip
    assert facts["taken"][2] in ("username_taken", "email_taken")
