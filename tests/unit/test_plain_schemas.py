"""The OpenAPI document has only what client generators understand."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.openapi.plain_schemas import simplify
from schemas.api_catalogue import LayoutBody
from schemas.api_seats import SeatMapBody


def schemas_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    document: dict[str, Any] = simplify({"paths": {}, "components": {"schemas": schemas}})
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def test_integers_and_other_numbers_of_a_map_are_numbers() -> None:
    schemas = schemas_of(SeatMapBody)
    assert schemas["SeatRowBody"]["properties"]["x"] == {"type": "number"}
    assert schemas["StageShapeBody"]["properties"]["width"] == {"type": "number"}
    assert schemas["SeatSectionBody"]["properties"]["level"]["anyOf"] == [
        {"type": "integer"},
        {"type": "string"},
    ]
    stage = schemas_of(LayoutBody)["StageBody"]
    assert stage["properties"]["width"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000}
    assert stage["required"] == ["x", "y", "width", "height"]


def test_fields_that_a_response_may_leave_out_are_not_required() -> None:
    schemas = schemas_of(SeatMapBody)
    assert schemas["SeatMapBody"]["required"] == ["show_id", "version", "sections", "states"]
    assert schemas["SeatRowBody"]["required"] == ["name", "seats", "aisles_after"]
    assert schemas["SeatSectionBody"]["required"] == ["name", "price", "rows"]


def test_descriptions_have_no_indents() -> None:
    descriptions = [one.get("description", "") for one in schemas_of(LayoutBody).values()]
    assert any("\n" in text for text in descriptions)
    assert not any("\n " in text for text in descriptions)
