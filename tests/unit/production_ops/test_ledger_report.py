"""The ledger's table, JSON and metrics say what it found."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from contracts.topics_names import CLICK
from monitoring_logging.metric_registry import METRICS
from production_ops.ledger.__main__ import main
from production_ops.ledger.balance import balance
from production_ops.ledger.model import Balance, Rules, Stage
from production_ops.ledger.report import print_report, write_json, write_metrics
from shared_utils.errors import ConfigurationError, DataError
from tests.fakes.ledger_world import LATENESS_MS, SESSION_LATENESS_MS, build

RULES = Rules(allowed_lateness_ms=LATENESS_MS, session_lateness_ms=SESSION_LATENESS_MS)


@pytest.fixture(scope="module")
def broken() -> tuple[Balance, str]:
    world = build(features=False)
    lost = world.event_id(CLICK)
    world.ends.remove((world.seen_of(lost).coordinate, "silver"))
    return balance(world.evidence(), replace(RULES, demanded=frozenset({Stage.ARCHIVE}))), lost


def printed(result: Balance, shown: int = 5) -> str:
    console = Console(file=io.StringIO(), width=140, highlight=False)
    print_report(result, console, shown=shown)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_the_table_names_what_is_wrong_and_what_was_not_judged(broken: tuple[Balance, str]) -> None:
    result, lost = broken
    text = printed(result)
    assert f"lost in silver: {lost}: meant for silver, ended nowhere" in text
    assert "not judged in features: the feature topics are empty: no Flink job ran" in text
    assert "Demanded, but not judged: archive" in text
    assert "Ledger not balanced: 1 lost, 0 duplicated, 0 misrouted, 0 reordered" in text
    assert "lost in silver: 1 more" in printed(result, shown=0)


def test_json_and_metrics_hold_the_balance(broken: tuple[Balance, str], tmp_path: Path) -> None:
    result, lost = broken
    report = json.loads(write_json(result, tmp_path).read_text())
    assert (report["balanced"], report["lost"], report["sent"]) == (False, 1, result.sent)
    stages = {stage["stage"]: stage for stage in report["stages"]}
    assert stages["silver"]["differences"][0]["subject"] == lost
    families = list(text_string_to_metric_families(write_metrics(result, tmp_path).read_text()))
    assert {family.name for family in families} == {name for name in METRICS if name.startswith("ledger_")}
    values = {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}
    assert values["ledger_difference_events", "lost", "silver"] == 1
    assert values["ledger_stage_judged", "features"] == 0
    assert values["ledger_balanced",] == 0
    assert ("ledger_difference_events", "lost", "features") not in values  # what was not judged has no zero


def test_an_unknown_stage_and_a_missing_truth_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="No stack was left running"):
        main(["--run-dir", str(tmp_path)])
    monkeypatch.setenv("SHOP_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    with pytest.raises(DataError, match="no truth file"):
        main(["--run-dir", str(tmp_path)])
    monkeypatch.setattr("production_ops.ledger.__main__.read_evidence", lambda *_: build().evidence())
    with pytest.raises(ConfigurationError, match="'gold' is not a valid Stage"):
        main(["--run-dir", str(tmp_path), "--stages", "gold"])
