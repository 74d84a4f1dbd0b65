"""The alert rules: Prometheus' own checks and unit tests, and docs/alerts.md with the same rules in words."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.expressions import DEPLOY, RULES, dashboard_expressions, panels, rules, selectors

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
RUNBOOKS = (Path(__file__).parents[2] / "docs" / "runbooks.md").read_text()
TESTS = DEPLOY / "prometheus" / "alerts_test.yaml"
FOR = {None: "at once", "30s": "30 s", "1m": "1 min", "5m": "5 min", "10m": "10 min", "30m": "30 min"}

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", str(RULES)],
        ["check", "config", str(DEPLOY / "prometheus" / "prometheus.yaml")],
        ["test", "rules", str(TESTS)],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_finds_no_fault(arguments: list[str]) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_fired_by_a_test() -> None:
    cases = [one for test in yaml.safe_load(TESTS.read_text())["tests"] for one in test["alert_rule_test"]]
    fired = {one["alertname"] for one in cases if one.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in rules()}


def test_the_page_has_the_same_rules() -> None:
    written = {
        (expression.replace("\\|", "|"), lasting)
        for expression, lasting in re.findall(r"^\| [^|]+ \| `(.+?)`, ([\w ]+) \|", PAGE, re.MULTILINE)
    }
    assert written == {(rule["expr"], FOR[rule.get("for")]) for rule in rules()}


def test_severity_follows_the_page() -> None:
    urgent, today = PAGE.split("Look at it today:")
    for rule in rules():
        page = urgent if rule["labels"]["severity"] == "page" else today
        assert rule["expr"].replace("|", "\\|") in page, rule["alert"]


def test_the_runbooks_of_alerts_exist() -> None:
    named = {rule["annotations"]["runbook"] for rule in rules() if "runbook" in rule["annotations"]}
    titles = re.findall(r"^## (.+)$", RUNBOOKS, re.MULTILINE)
    assert named <= {f"docs/runbooks.md#{title.lower().replace(' ', '-')}" for title in titles}
    assert len(named) >= 6


def test_the_panels_of_the_dashboard_neither_overlap_nor_share_an_id() -> None:
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels())
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} == set(range(24))
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_dashboard_reads_one_data_source_that_can_be_chosen() -> None:
    for panel in panels():
        for one in (panel, *panel["targets"]):
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


def test_metrics_and_labels_of_an_expression_are_found() -> None:
    found = dict(
        selectors(
            'histogram_quantile(0.9, sum by (le) (rate(a_bucket{x="1"}[5m]))) > 1 or max without (y) (b offset 1m)'
            " / count(c)"
        )
    )
    assert found == {"a_bucket": {"le", "x"}, "b": {"y"}, "c": frozenset()}
    assert len(dashboard_expressions()) > 30
