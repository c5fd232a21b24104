"""Rows as received: the one shape in which every road hands events to the lake."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_lake.catalog import SOURCE_KAFKA

BRONZE_DDL: Final = (
    "topic string, partition int, offset bigint, key string, value binary, "
    "headers array<struct<key:string,value:binary>>, arrival_time timestamp, ingest_time timestamp, "
    "source string, ingest_date date"
)
BRONZE_COLUMNS: Final = (
    "topic",
    "partition",
    "offset",
    "key",
    "value",
    "headers",
    "arrival_time",
    "ingest_time",
    "source",
    "ingest_date",
)

SOURCE_POS_ARCHIVE: Final = "pos_archive"
SOURCE_CLICK_ARCHIVE: Final = "click_archive"

# Archived events have no Kafka coordinates, yet every row needs unique ones: this partition exists in no broker.
ARCHIVE_PARTITION: Final = -1


def from_kafka(kafka: DataFrame) -> DataFrame:
    """Bronze rows of a Kafka source frame that was read with `includeHeaders`.

    Grain: one row per Kafka record. `arrival_time` is the record's CreateTime; `ingest_date` is its UTC date, so that a
    replayed record always lands in the same partition.
    """
    return kafka.select(
        F.col("topic").cast("string"),
        F.col("partition").cast("int"),
        F.col("offset").cast("bigint"),
        F.col("key").cast("string").alias("key"),
        F.col("value").cast("binary").alias("value"),
        F.col("headers"),
        F.col("timestamp").alias("arrival_time"),
        F.current_timestamp().alias("ingest_time"),
        F.lit(SOURCE_KAFKA).alias("source"),
        F.to_date("timestamp").alias("ingest_date"),
    )
