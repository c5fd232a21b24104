"""Every alert speaks of metrics that exist, says something, leads to a runbook, and has a case that makes it fire."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring_logging.metric_registry import METRICS, MetricType
from shared_utils.settings import REPO_ROOT

RULES = REPO_ROOT / "monitoring_logging" / "prometheus" / "rules"
SECTIONS = ("Symptom", "Impact", "Check", "Fix", "Drill")
OF_OTHERS = ("up", "redis_", "flink_", "pg_")
"""Metrics of Prometheus itself and of the exporters: their names are not the platform's."""
_NAME = re.compile(r"\b([a-z][a-z0-9]*(?:_[a-zA-Z0-9]+)+|up)\b(?!\s*\()")
_WORDS = re.compile(r"\"[^\"]*\"|\b(?:by|without|on|ignoring)\s*\([^)]*\)|\{[^}]*\}|\[[^\]]*\]")


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((RULES / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def faults(rules: list[dict[str, Any]], cases: str) -> Iterator[str]:
    """What is wrong with the rules, one line each."""
    for rule in rules:
        name, notes = rule["alert"], rule.get("annotations", {})
        yield from (f"{name} asks for {metric}" for metric in sorted(metrics_of(rule["expr"]) - known()))
        if rule.get("labels", {}).get("severity") not in ("page", "ticket"):
            yield f"{name} has no severity"
        if not notes.get("summary", "").endswith("."):
            yield f"{name} says nothing"
        if missing := missing_sections(REPO_ROOT / notes.get("runbook", "runbooks/none.md")):
            yield f"{name} has no runbook with {', '.join(missing)}"
        if f'alertname="{name}"' not in cases:
            yield f"{name} has no case"


def metrics_of(expression: str) -> set[str]:
    return set(_NAME.findall(_WORDS.sub("", expression)))


def known() -> set[str]:
    of_histograms = {
        f"{name}_{part}"
        for name, metric in METRICS.items()
        if metric.type is MetricType.HISTOGRAM
        for part in ("bucket", "count", "sum")
    }
    asked = {name for rule in alerts() for name in metrics_of(rule["expr"])}
    return METRICS.keys() | of_histograms | {name for name in asked if name.startswith(OF_OTHERS)}


def missing_sections(runbook: Path) -> list[str]:
    text = runbook.read_text() if runbook.exists() else ""
    return [section for section in SECTIONS if f"**{section}.**" not in text]


CASES = (RULES / "alerts_test.yml").read_text()


def test_every_alert_is_whole() -> None:
    assert len(alerts()) >= 9
    assert list(faults(alerts(), CASES)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"expr": "rate(serving_no_such_total[5m]) > 0"}, "asks for serving_no_such_total"),
        ({"labels": {}}, "has no severity"),
        ({"annotations": {"summary": "It is down."}}, "has no runbook"),
        ({"annotations": {"runbook": "runbooks/target_down.md"}}, "says nothing"),
        ({"alert": "Unheard"}, "has no case"),
    ],
)
def test_a_planted_fault_is_named(change: dict[str, Any], fault: str) -> None:
    rules = copy.deepcopy(alerts())
    rules[0] |= change
    assert any(fault in line for line in faults(rules, CASES))
