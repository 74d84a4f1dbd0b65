"""Expressions of PromQL in the alert rules and in the dashboard, and the metrics and labels that they name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = DEPLOY / "grafana" / "aisle.json"

INTERVAL = "1m"
"""In the place of Grafana's variable of the interval."""


def rules() -> list[dict[str, Any]]:
    """The alert rules of all groups."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def dashboard_expressions() -> list[str]:
    return [
        target["expr"].replace("$__rate_interval", INTERVAL) for one in panels() for target in one["targets"]
    ]


def selectors(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yields the metrics of an expression, each with the labels that it is selected or grouped by."""
    yield from _walk(promql_parser.parse(expression), frozenset())


def _walk(node: Any, grouped: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    if isinstance(node, promql_parser.VectorSelector):
        assert node.name is not None, "a selector without a metric"
        yield node.name, grouped | {one.name for one in node.matchers.matchers}
        return
    if isinstance(node, promql_parser.MatrixSelector):
        yield from _walk(node.vector_selector, grouped)
        return
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        grouped |= set(node.modifier.labels)
    for name in ("expr", "lhs", "rhs"):
        if (inner := getattr(node, name, None)) is not None:
            yield from _walk(inner, grouped)
    for inner in getattr(node, "args", ()):
        yield from _walk(inner, grouped)
