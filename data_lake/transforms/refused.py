"""Rows that do not reach silver by the stream: quarantine, late and duplicate, each with its Kafka coordinates."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

QUARANTINE_DDL: Final = (
    "topic string, partition int, offset bigint, key string, value binary, reason string, detail string, "
    "arrival_time timestamp, source string, ingest_date date"
)
LATE_EVENT_DDL: Final = (
    "event_id string, topic string, partition int, offset bigint, event_time timestamp, arrival_time timestamp, "
    "lateness_seconds double, payload_sha256 string, event_date date"
)
DUPLICATE_EVENT_DDL: Final = (
    "event_id string, topic string, partition int, offset bigint, arrival_time timestamp, event_date date"
)


def quarantine(rejected: DataFrame) -> DataFrame:
    """Rows of `bronze.quarantine`. Grain: one per refused record. `value` is as received."""
    return rejected.select(
        "topic",
        F.col("partition").cast("int"),
        F.col("offset").cast("bigint"),
        "key",
        "value",
        "reason",
        "detail",
        "arrival_time",
        "source",
        "ingest_date",
    )


def late_event(late: DataFrame) -> DataFrame:
    """Rows of `silver.late_event`. Grain: one per late event_id. Units: lateness is arrival minus event time."""
    return late.select(
        "event_id",
        "topic",
        F.col("partition").cast("int"),
        F.col("offset").cast("bigint"),
        "event_time",
        "arrival_time",
        F.col("lateness_seconds").cast("double"),
        "payload_sha256",
        "event_date",
    )


def duplicate_event(duplicates: DataFrame) -> DataFrame:
    """Rows of `silver.duplicate_event`. Grain: one per repeated arrival, so that a ledger balances by record."""
    return duplicates.select(
        "event_id",
        "topic",
        F.col("partition").cast("int"),
        F.col("offset").cast("bigint"),
        "arrival_time",
        "event_date",
    )
