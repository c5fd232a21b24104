"""Refused rows to `<topic>.dlq`: the bytes as received, and why, in headers."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.topics_names import dlq_name
from shared_utils.kafka_helpers import MAX_RECORD_BYTES
from shared_utils.settings import KafkaSettings

# A value over the contracts' limit is refused for its size, and still has to fit into the DLQ, with headers.
MAX_REQUEST_BYTES: Final = 2 * MAX_RECORD_BYTES


def produce(rejected: DataFrame, topic: str, kafka: KafkaSettings) -> None:
    """Send quarantine rows to the topic's DLQ.

    At least once: a crash between this and the batch's commit sends them again. A consumer tells copies by the headers
    source_topic, source_partition and source_offset, which name the refused record.
    """
    writer = letters(rejected).write.format("kafka").option("topic", dlq_name(topic))
    writer.option("kafka.bootstrap.servers", kafka.bootstrap_servers).option("kafka.acks", "all").option(
        "kafka.delivery.timeout.ms", max(kafka.delivery_timeout_ms, 1000)
    ).option("kafka.request.timeout.ms", max(kafka.delivery_timeout_ms // 2, 500)).option(
        "kafka.max.request.size", MAX_REQUEST_BYTES
    ).save()


def letters(rejected: DataFrame) -> DataFrame:
    """Kafka records of quarantine rows. Grain: one per row. `source_timestamp_ms`: the refused record's CreateTime."""
    headers = F.array(
        _header("reason", F.col("reason")),
        _header("detail", F.col("detail")),
        _header("source_topic", F.col("topic")),
        _header("source_partition", F.col("partition")),
        _header("source_offset", F.col("offset")),
        _header("source_timestamp_ms", F.unix_millis("arrival_time")),
    )
    return rejected.select("key", "value", headers.alias("headers"))


def _header(name: str, value: Column) -> Column:
    return F.struct(F.lit(name).alias("key"), F.coalesce(value.cast("string"), F.lit("")).cast("binary").alias("value"))
