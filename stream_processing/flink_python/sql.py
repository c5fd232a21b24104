"""Pieces of SQL that the jobs share: tables over topics, accepted first arrivals, keys, headers and instants."""

from __future__ import annotations

from typing import Final

from contracts.generated.flink_ddl import FLINK_DDL, FLINK_SINK_DDL, INSTANT_PATTERN
from contracts.reasons import MAX_CLOCK_LEAD_SECONDS
from contracts.registry import CONTRACTS_DIR
from contracts.registry import topic as topic_of
from shared_utils.settings import Settings

_TRACEPARENT: Final = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"


def source_table(topic: str, job: str, settings: Settings, *, lateness_seconds: int) -> str:
    """The table that reads a topic's accepted events from its beginning; its watermark follows the arrival time."""
    return FLINK_DDL[topic].format(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        group_id=f"flink-{job}",
        startup_mode="earliest-offset",
        schemas=CONTRACTS_DIR / "schemas",
        watermark_column="arrival_time",
        watermark_delay_seconds=lateness_seconds,
    )


def sink_table(topic: str, settings: Settings) -> str:
    """The table that writes a topic."""
    return FLINK_SINK_DDL[topic].format(bootstrap_servers=settings.kafka.bootstrap_servers)


def first_arrivals(view: str, topic: str, *, source: str | None = None) -> str:
    """A view of a topic's events without those from the future, each id once: the first arrival wins.

    Grain: one row per event_id. Reads `source`, by default the topic's table; adds `traceparent`, the header as text.
    """
    return f"""
CREATE TEMPORARY VIEW {view} AS
SELECT *, CAST(headers['traceparent'] AS STRING) AS traceparent
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY processing_time ASC) AS arrival_number
  FROM {source or table_name(topic)}
  WHERE event_time <= arrival_time + {MAX_CLOCK_LEAD_SECONDS} * INTERVAL '1' SECOND
)
WHERE arrival_number = 1
"""


def table_name(topic: str) -> str:
    """The name of the table that reads a topic."""
    return str(topic_of(topic).schema).partition(".")[0]


def instant(column: str) -> str:
    """An instant as the contracts write it: RFC 3339, UTC, milliseconds. The session's time zone must be UTC."""
    return f"DATE_FORMAT({column}, '{INSTANT_PATTERN}')"


def minute(column: str) -> str:
    """The first instant of an instant's minute, as text."""
    return f"DATE_FORMAT({column}, 'yyyy-MM-dd''T''HH:mm'':00.000Z''')"


def record_key(column: str) -> str:
    """A Kafka key: the decimal text of a number."""
    return f"CAST({column} AS STRING)"


def next_span(*identity: str) -> str:
    """The W3C trace context of a record that is made of an event: the event's trace, and a span of the record's own.

    `identity`: SQL expressions that tell the record from all others, so that a repeat has the same span. Without a
    header of that form on the event it is null, and a null header is not sent.
    """
    own = f"SUBSTRING(MD5(CONCAT_WS('|', {', '.join(f'CAST({text} AS STRING)' for text in identity)})), 1, 16)"
    child = f"CONCAT(SUBSTRING(traceparent, 1, 36), {own}, SUBSTRING(traceparent, 53))"
    return f"CASE WHEN REGEXP(traceparent, '{_TRACEPARENT}') THEN {child} END"


def headers(**texts: str) -> str:
    """Kafka headers from SQL expressions that give texts; `schema_version` is added."""
    pairs = {"schema_version": "'1'", **texts}
    entries = ", ".join(f"'{name}', CAST({text} AS BYTES)" for name, text in pairs.items())
    return f"MAP[{entries}]"
