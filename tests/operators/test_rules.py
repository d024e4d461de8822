"""The alert rules, the dashboard and the reference name metrics and pages there are."""

import json
import re
import shutil
import subprocess
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.docs.pages import ROOT, anchors, codes, rows
from tests.operators.observed import known_metrics, named_in

RULES = ROOT / "docs/operators/alerts.yml"
DASHBOARD = ROOT / "docs/operators/dashboard.json"
REFERENCE = ROOT / "docs/reference/metrics.md"

ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
]
# What may wake somebody, each by a rule of its own.
COVERED = {
    "Down", "NotReady", "NothingDecided", "QueueOld", "UrgentUnacknowledged", "DeadLetters",
    "BreakerOpen", "KeyExpiring", "NoQuorum", "LogBehind", "DiskLow", "CertificateEnds",
    "ClockWrong", "DutiesLate", "IncidentStorm",
}  # fmt: skip


def test_there_is_a_rule_for_everything_that_should_wake_somebody() -> None:
    names = [one["alert"].removeprefix("Throughgate") for one in ALERTS]
    assert set(names) >= COVERED
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_a_rule_says_what_happened_what_to_do_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    said = rule["annotations"]
    assert said["summary"].endswith(".")
    assert len(said["description"]) > 30
    led_to = urlsplit(said["runbook"])
    assert led_to.fragment in anchors(ROOT / led_to.path), said["runbook"]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_a_rule_names_metrics_and_labels_there_are(rule: dict[str, Any]) -> None:
    named = named_in(rule["expr"])
    assert named or rule["expr"].startswith("up{")
    assert named <= set(known_metrics())
    labels = {label for name in named for label in known_metrics()[name]} | {"worker", "job"}
    chosen = re.findall(r"[{,]\s*([a-z_]+)\s*[=!]", rule["expr"])
    assert set(chosen) <= labels
    assert set(re.findall(r"\$labels\.([a-z_]+)", str(rule["annotations"]))) <= labels


def test_prometheus_itself_takes_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: sudo apt-get install prometheus")
    command = [promtool, "check", "rules", RULES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reference_has_every_metric_with_its_labels_and_no_other() -> None:
    stated = {
        codes(cells[0])[0]: tuple(codes(cells[2]))
        for cells in rows(REFERENCE.read_text("utf-8"))
        if codes(cells[0])
    }
    assert stated == known_metrics()


def panels() -> list[dict[str, Any]]:
    return list(json.loads(DASHBOARD.read_text("utf-8"))["panels"])


def test_the_dashboard_has_its_rows_and_takes_any_data_source() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    assert dashboard["schemaVersion"] >= 39
    assert "datasource" in [one["name"] for one in dashboard["templating"]["list"]]
    titles = [one["title"] for one in panels() if one["type"] == "row"]
    assert titles == ["Flow", "Delivery", "Acknowledgement", "Duties", "Log", "Keys", "Process"]
    drawn = [one for one in panels() if one["type"] != "row"]
    assert all(one["datasource"]["uid"] == "${datasource}" for one in drawn)
    assert len({one["id"] for one in panels()}) == len(panels())


def test_the_dashboard_names_metrics_there_are() -> None:
    expressions = [
        target["expr"] for one in panels() if one["type"] != "row" for target in one["targets"]
    ]
    assert len(expressions) > 30
    for expression in expressions:
        named = named_in(expression)
        assert named, expression
        assert named <= set(known_metrics()), expression
        assert expression.count("(") == expression.count(")")


def test_no_panel_lies_over_another() -> None:
    taken: set[tuple[int, int]] = set()
    for one in panels():
        place = one["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, one["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
