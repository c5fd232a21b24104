"""Columns that every silver table shares, in the order in which they stand."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F


def lineage() -> list[Column]:
    """When and where the row came in: the arrival, the day partition, the Kafka coordinates, the payload's hash."""
    return [
        F.col("arrival_time"),
        F.col("event_date"),
        F.col("topic").alias("kafka_topic"),
        F.col("partition").cast("int").alias("kafka_partition"),
        F.col("offset").cast("bigint").alias("kafka_offset"),
        F.col("payload_sha256"),
    ]


def event_fields(fields: Sequence[tuple[str, str]]) -> list[Column]:
    """The event's own columns, cast to the types that the silver table promises: (name, type) pairs."""
    return [F.col(f"event.{name}").cast(kind).alias(name) for name, kind in fields]


def identity() -> list[Column]:
    """`event_id` and `event_time`, first in every silver table."""
    return [F.col("event_id"), F.col("event_time")]
