"""Visits: clicks of a customer with less than 30 minutes between neighbours, each sent once when it is over.

Reads: shop.click.v1 and the product categories (`stream_processing.flink_python.product_category`).
Writes: features.session.v1, and shop.click.v1.late. Grain: a visit; a click that came too late for it.
Every click (by first arrival of its id) is in exactly one visit or in the late topic. Which one depends on the topic's
content alone: a click is late when it happened `session_lateness_seconds` or more before the latest arrival that its
partition has seen. The watermark follows the arrivals too, a second behind, so no click that is in time meets a closed
visit, whatever the speed, the restarts or the order in which the partitions are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from contracts.topics_names import CLICK, SESSION_FEATURE, late_name
from shared_utils.cli import run_main
from shared_utils.settings import Settings
from stream_processing.core.visits import VISIT_GAP
from stream_processing.flink_python import product_category, sql
from stream_processing.flink_python.command import run_job
from stream_processing.flink_python.job import FlinkJob, Statements

_NAME: Final = "session_aggregator"
_WATERMARK_BEHIND_SECONDS: Final = 1


def _clock(span: timedelta) -> str:
    """`HH:MM:SS.mmm`."""
    milliseconds = span // timedelta(milliseconds=1)
    hours, rest = divmod(milliseconds, 3_600_000)
    return f"{hours:02}:{rest // 60_000:02}:{rest // 1_000 % 60:02}.{rest % 1_000:03}"


# Flink joins windows that touch, so the windows end a millisecond before the gap does.
_GAP: Final = f"INTERVAL '{_clock(VISIT_GAP - timedelta(milliseconds=1))}' HOUR TO SECOND(3)"

# In the order of the partition, and over all that moves its watermark: repeated clicks and those from the future too.
_RECEIVED: Final = f"""
CREATE TEMPORARY VIEW received_click AS
SELECT *, MAX(arrival_time) OVER (
  PARTITION BY source_partition ORDER BY processing_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
) AS latest_arrival
FROM {sql.table_name(CLICK)}
"""
_JUDGED: Final = """
CREATE TEMPORARY VIEW judged_click AS
SELECT *, (event_time <= latest_arrival - {lateness} * INTERVAL '1' SECOND) AS is_late FROM click
"""
_CATEGORISED: Final = """
CREATE TEMPORARY VIEW visit_click AS
SELECT c.customer_id, c.event_time, c.action, c.product_id, p.category
FROM (SELECT * FROM judged_click WHERE NOT is_late AND action IN ('view', 'add')) AS c
LEFT JOIN product_category FOR SYSTEM_TIME AS OF c.event_time AS p ON c.product_id = p.product_id
UNION ALL
SELECT customer_id, event_time, action, CAST(NULL AS BIGINT) AS product_id, CAST(NULL AS STRING) AS category
FROM judged_click WHERE NOT is_late AND action NOT IN ('view', 'add')
"""


def _count(action: str) -> str:
    return f"COUNT(*) FILTER (WHERE action = '{action}')"


# TIMESTAMPDIFF knows no milliseconds.
_DURATION_SECONDS: Final = (
    "(TIMESTAMPDIFF(SECOND, FLOOR(first_time TO SECOND), FLOOR(last_time TO SECOND)) * 1000 "
    "+ EXTRACT(MILLISECOND FROM last_time) - EXTRACT(MILLISECOND FROM first_time)) / 1e3"
)
_SESSIONS: Final = f"""
INSERT INTO session_feature_sink
SELECT customer_id, {sql.instant("first_time")}, {sql.instant("last_time")},
  {sql.instant(f"last_time + {VISIT_GAP.total_seconds():.0f} * INTERVAL '1' SECOND")},
  events, searches, impressions, `views`, adds, removes, products, categories,
  {_DURATION_SECONDS}, checkouts > 0,
  {sql.record_key("customer_id")}, {sql.headers()}
FROM (
  SELECT customer_id, MIN(event_time) AS first_time, MAX(event_time) AS last_time, COUNT(*) AS events,
    {_count("search")} AS searches,
    {_count("impression")} AS impressions,
    {_count("view")} AS `views`,
    {_count("add")} AS adds,
    {_count("remove")} AS removes,
    {_count("checkout")} AS checkouts,
    COUNT(DISTINCT product_id) AS products,
    COUNT(DISTINCT category) AS categories
  FROM TABLE(SESSION(TABLE visit_click PARTITION BY customer_id, DESCRIPTOR(event_time), {_GAP}))
  GROUP BY customer_id, window_start, window_end
)
"""
_LATE: Final = f"""
INSERT INTO click_event_late_sink
SELECT event_id, {sql.instant("event_time")}, session_id, customer_id, action, product_id, `position`, query, basket_id,
  page, device_type, {sql.record_key("customer_id")},
  {
    sql.headers(
        traceparent="traceparent",
        reason="'LATE'",
        source_topic=f"'{CLICK}'",
        source_partition="CAST(source_partition AS STRING)",
        source_offset="CAST(source_offset AS STRING)",
    )
}
FROM judged_click WHERE is_late
"""


def statements(settings: Settings) -> Statements:
    """The job's SQL."""
    lateness = settings.flink.session_lateness_seconds
    return Statements(
        definitions=(
            sql.source_table(CLICK, _NAME, settings, lateness_seconds=lateness + _WATERMARK_BEHIND_SECONDS),
            product_category.table(settings),
            sql.sink_table(SESSION_FEATURE, settings),
            sql.sink_table(late_name(CLICK), settings),
            _RECEIVED,
            sql.first_arrivals("click", CLICK, source="received_click"),
            _JUDGED.format(lateness=lateness),
            _CATEGORISED,
        ),
        inserts=(_SESSIONS, _LATE),
    )


def files(settings: Settings) -> tuple[Path, ...]:
    """What must lie there before a start."""
    return (product_category.path(settings),)


JOB: Final = FlinkJob(_NAME, (CLICK,), (SESSION_FEATURE, late_name(CLICK)), statements, files)


def main(argv: Sequence[str] | None = None) -> int:
    """Submit this job, with the options of `stream_processing.flink_python.run`."""
    return run_job(JOB, argv)


if __name__ == "__main__":
    run_main(main)
