"""The list of equivalent mutants: each entry is still about a function and a line that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation.mutants import Equivalent, read_equivalents

CHECKOUT = Path(__file__).parents[2]


def source_of(source: str, function: str) -> str:
    """The text of a function, or of a method as `Class.method`."""
    *owner, name = function.split(".")
    for node in ast.walk(ast.parse(source)):
        body = node.body if isinstance(node, ast.ClassDef if owner else ast.Module) else []
        if not owner or getattr(node, "name", "") == owner[0]:
            for inner in body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name == name:
                    return ast.get_source_segment(source, inner) or ""
    return ""


@pytest.mark.parametrize("listed", read_equivalents(), ids=lambda one: one.function)
def test_a_listed_mutant_changes_a_line_that_exists(listed: Equivalent) -> None:
    text = source_of((CHECKOUT / listed.module).read_text("utf-8"), listed.function)
    assert listed.was in " ".join(text.split())
    assert listed.was != listed.becomes
    assert listed.why
