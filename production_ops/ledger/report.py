"""The ledger as a table for people, as JSON and as metrics."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from rich.console import Console
from rich.table import Table

from monitoring_logging import metric_registry
from monitoring_logging.metric_registry import Metric
from production_ops.ledger.model import Balance, StageBalance, Word

JSON_FILE: Final = "ledger.json"
METRICS_FILE: Final = "ledger.prom"
_IDS_SHOWN: Final = 5


def print_report(balance: Balance, console: Console, *, shown: int) -> None:
    """The table, the first `shown` differences of each stage and word, and what was not judged."""
    table = Table(title=f"Ledger of {balance.sent:,} records sent", title_justify="left")
    for name in ("stage", "accounted", *Word, "repeats"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in balance.stages:
        counts = [f"{stage.count(word):,}" for word in Word]
        cells = [f"{stage.accounted:,}", *counts, f"{stage.copies:,}"]
        table.add_row(stage.stage, *(cells if stage.judged else ["not judged", *["-"] * 5]))
    console.print(table)
    for stage in balance.stages:
        _print_details(stage, console, shown)
    for missing in balance.missing:
        console.print(f"Demanded, but not judged: {missing}", style="red")
    words = ", ".join(f"{balance.count(word):,} {word}" for word in Word)
    verdict = "[green]balanced[/]" if balance.balanced else "[red]not balanced[/]"
    console.print(f"Ledger {verdict}: {words}")


def _print_details(stage: StageBalance, console: Console, shown: int) -> None:
    for word in Word:
        found = [difference for difference in stage.differences if difference.word is word]
        for difference in found[:shown]:
            ids = [each for each in difference.ids if each != difference.subject]
            more = f" (+{len(ids) - _IDS_SHOWN})" if len(ids) > _IDS_SHOWN else ""
            tail = f"; events {', '.join(ids[:_IDS_SHOWN])}{more}" if ids else ""
            text = f"{word} in {stage.stage}: {difference.subject}: {difference.detail}{tail}"
            console.print(text, style="red", markup=False, soft_wrap=True)
        if len(found) > shown:
            console.print(f"{word} in {stage.stage}: {len(found) - shown:,} more", style="red")
    for reason in stage.unjudged:
        console.print(f"not judged in {stage.stage}: {reason}", style="yellow", markup=False)


def write_json(balance: Balance, folder: Path) -> Path:
    """All differences with all ids."""
    target = folder / JSON_FILE
    content: dict[str, Any] = {
        "balanced": balance.balanced,
        "sent": balance.sent,
        "demanded": sorted(balance.demanded),
        "missing": balance.missing,
        **{word: balance.count(word) for word in Word},
        "stages": [_as_json(stage) for stage in balance.stages],
    }
    _replace(target, json.dumps(content, indent=1))
    return target


def _as_json(stage: StageBalance) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "judged": stage.judged,
        "accounted": stage.accounted,
        "repeats": stage.copies,
        "not_judged": stage.unjudged,
        "differences": [asdict(difference) for difference in stage.differences],
    }


def write_metrics(balance: Balance, folder: Path) -> Path:
    """The balance in Prometheus' text format, for a textfile collector."""
    registry = CollectorRegistry()
    accounted = _gauge(metric_registry.LEDGER_ACCOUNTED_EVENTS, registry)
    differences = _gauge(metric_registry.LEDGER_DIFFERENCE_EVENTS, registry)
    judged = _gauge(metric_registry.LEDGER_STAGE_JUDGED, registry)
    _gauge(metric_registry.LEDGER_SENT_EVENTS, registry).set(balance.sent)
    _gauge(metric_registry.LEDGER_BALANCED, registry).set(balance.balanced)
    _gauge(metric_registry.LEDGER_RUN_SECONDS, registry).set_to_current_time()
    for stage in balance.stages:
        judged.labels(stage.stage).set(stage.judged and not stage.unjudged)
        if stage.judged:
            accounted.labels(stage.stage).set(stage.accounted)
            for word in Word:
                differences.labels(stage.stage, word).set(stage.count(word))
    target = folder / METRICS_FILE
    write_to_textfile(str(target), registry)
    return target


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)


def _replace(target: Path, text: str) -> None:
    fresh = target.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(target)
