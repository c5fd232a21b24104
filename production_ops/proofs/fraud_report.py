"""Print how the fraud detector did on the live stream: planted, found, missed and why, precision, recall, delay.

Run: `python -m production_ops.proofs.fraud_report --data DIR` after the detector has read the replay of `DIR`.
Reads: shop.payment.v1, shop.transaction.v1, alerts.fraud_pattern.v1 (with a consumer of its own), the rules and
`DIR/truth/fraud.parquet`. Exit 8 when a case is wrong without a reason, or the alerts differ from brute force.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from contracts.topics_names import FRAUD_ALERT, PAYMENT, TRANSACTION
from production_ops.proofs.fraud import Score, judge
from shared_utils.cli import run_main
from shared_utils.errors import DataError, ProofFailedError
from shared_utils.kafka_helpers import read_all
from shared_utils.records import Received
from shared_utils.settings import load_settings
from stream_processing.core.fraud_rules import RULES_FILE, load_rules

_WIDTH = 140
TRUTH = Path("truth") / "fraud.parquet"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report.

    Raises:
        ProofFailedError: the proof does not hold.
        DataError: there is no truth under the folder.
    """
    parser = argparse.ArgumentParser(prog="production_ops.proofs.fraud_report", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="what data_sources.replay wrote")
    arguments = parser.parse_args(argv)
    settings = load_settings()
    if not (arguments.data / TRUTH).exists():
        raise DataError(f"There is no {TRUTH} in {arguments.data}.", "Run `python -m data_sources.replay --out DIR`.")
    truth = pq.read_table(arguments.data / TRUTH).to_pylist()
    alerts, payments, purchases = (list(read_all(name, settings.kafka)) for name in (FRAUD_ALERT, PAYMENT, TRANSACTION))
    rules = load_rules(settings.flink.fraud_rules_file or RULES_FILE)
    result, scores = judge(truth, alerts, payments, purchases, rules, settings.flink.fraud_lateness_seconds)
    console = Console(highlight=False, soft_wrap=True, width=_WIDTH)
    console.print(score_table(scores))
    for line in [line for score in scores for line in score.excused]:
        console.print(f"excused: {line}", markup=False)
    console.print(delay_line(delays_ms(alerts, [*payments, *purchases])), markup=False)
    console.print(f"{result.name}: {result.word}, {result.figure} (bound: {result.bound})", markup=False)
    if not result.passed:
        raise ProofFailedError("; ".join(result.findings), "Compare fraud_rules.yml with the planted cases.")
    return 0


def score_table(scores: Iterable[Score]) -> Table:
    """The scores, a row a pattern."""
    columns = ("planted", "found", "near misses", "of them fired", "alerts", "unplanted", "precision", "recall")
    table = Table("pattern", *columns, title="fraud patterns")
    for score in scores:
        counts = (score.planted, score.found, score.near_misses, score.near_misses_fired, score.alerts, score.unplanted)
        table.add_row(score.pattern, *map(str, counts), _ratio(score.precision), _ratio(score.recall))
    return table


def delays_ms(alerts: Iterable[Received], events: Iterable[Received]) -> list[int]:
    """From the record of the last event to the record of its alert, of the first alert of each id.

    Units: milliseconds between the two records' Kafka timestamps; it means something where both are the wall clock's.
    """
    sent_ms: dict[str, int] = {}
    for event in events:
        found = _event_id(event)
        if found is not None:
            sent_ms.setdefault(found, event.timestamp_ms or 0)
    delays: dict[str, int] = {}
    for record in alerts:
        alert = orjson.loads(record.value or b"{}")
        last = alert["event_ids"][-1]
        if last in sent_ms:  # else it is an event that only the detector takes for one; the verdict says so
            delays.setdefault(alert["alert_id"], (record.timestamp_ms or 0) - sent_ms[last])
    return list(delays.values())


def delay_line(delays: Sequence[int]) -> str:
    """The delays in words; those of a replay of the past are not shown."""
    live = [delay for delay in delays if delay < _REPLAYED_MS]
    if not live:
        return "time from event to alert: not measurable on a replay of the past (tests/benchmarks/bench_fraud.py)"
    p50, p95 = np.percentile(live, [50, 95])
    return f"time from event to alert: p50 {p50:,.0f} ms, p95 {p95:,.0f} ms of {len(live)}"


_REPLAYED_MS = 3_600_000


def _event_id(record: Received) -> str | None:
    try:
        return str(orjson.loads(record.value or b"")["event_id"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    run_main(main)
