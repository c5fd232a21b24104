"""Fraud patterns, by event time, each alert sent as soon as no earlier event can still come in time.

Reads: shop.payment.v1, shop.transaction.v1 and the rules (`fraud_rules.yml`). Writes: alerts.fraud_pattern.v1, at least
once: copies share their alert_id. Grain: a match of a rule; matches of a rule do not overlap.
An event that happened `fraud_lateness_seconds` or more before the latest arrival that its partition has seen is in no
match, so the alerts depend on the topics' content alone. That wait is also the time from event to alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from contracts.topics_names import FRAUD_ALERT, PAYMENT, TRANSACTION
from shared_utils.cli import run_main
from shared_utils.settings import Settings
from stream_processing.core.fraud_rules import RULES_FILE, load_rules
from stream_processing.flink_python import sql
from stream_processing.flink_python.cep_jobs import fraud_sql
from stream_processing.flink_python.command import run_job
from stream_processing.flink_python.job import FlinkJob, Statements

_NAME: Final = "fraud_pattern_detector"

# In the order of the partition, and over all that moves its watermark: repeated events and those from the future too.
# What is in time by this is younger than the watermark, which needs no further wait.
_RECEIVED: Final = """
CREATE TEMPORARY VIEW {view}_received AS
SELECT *, MAX(arrival_time) OVER (
  PARTITION BY source_partition ORDER BY processing_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
) AS latest_arrival
FROM {table}
"""
_IN_TIME: Final = """
CREATE TEMPORARY VIEW {view} AS
SELECT * FROM {view}_arrival WHERE event_time > latest_arrival - {lateness} * INTERVAL '1' SECOND
"""
_ALERTS: Final = """
INSERT INTO fraud_alert_sink
SELECT alert_id, `pattern`, {event_time}, {first_event_time}, customer_id, subject_kind, subject, event_ids,
  amount_cents, rule_version, sentence, {key}, {headers}
FROM (
{alerts}
)
"""


def statements(settings: Settings) -> Statements:
    """The job's SQL."""
    rules = load_rules(rules_file(settings))
    lateness = settings.flink.fraud_lateness_seconds
    views = {PAYMENT: "payment", TRANSACTION: "purchase"}
    events = [
        statement
        for topic, view in views.items()
        for statement in (
            sql.source_table(topic, _NAME, settings, lateness_seconds=lateness),
            _RECEIVED.format(view=view, table=sql.table_name(topic)),
            sql.first_arrivals(f"{view}_arrival", topic, source=f"{view}_received"),
            _IN_TIME.format(view=view, lateness=lateness),
        )
    ]
    alerts = _ALERTS.format(
        event_time=sql.instant("event_time"),
        first_event_time=sql.instant("first_event_time"),
        key=sql.record_key("customer_id"),
        headers=sql.headers(traceparent=sql.next_span("alert_id")),
        alerts=fraud_sql.all_alerts(rules),
    )
    return Statements(
        definitions=(*events, sql.sink_table(FRAUD_ALERT, settings), *fraud_sql.definitions(rules)),
        inserts=(alerts,),
    )


def rules_file(settings: Settings) -> Path:
    """The rules that the job runs on."""
    return settings.flink.fraud_rules_file or RULES_FILE


# Matching reads and seeks its state many times an event: on the heap that is several times as fast (ADR 0009).
_OPTIONS: Final = {"state.backend.type": "hashmap"}

JOB: Final = FlinkJob(_NAME, (PAYMENT, TRANSACTION), (FRAUD_ALERT,), statements, options=_OPTIONS)


def main(argv: Sequence[str] | None = None) -> int:
    """Submit this job, with the options of `stream_processing.flink_python.run`."""
    return run_job(JOB, argv)


if __name__ == "__main__":
    run_main(main)
