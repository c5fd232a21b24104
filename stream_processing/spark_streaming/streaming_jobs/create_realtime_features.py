"""Minute features by micro-batch: the definition of Flink's `realtime_features`, for comparison and for backlogs.

Reads: shop.click.v1, shop.transaction.v1. Writes: features.customer.v1, features.product.v1, in place of the Flink job:
both count versions from one, so the store would take whichever has counted more. Grain: one record per (entity, minute)
that a batch changed, with its newest state. At least once: `version` makes repeats harmless. Events of the same id that
came on one partition: the first wins. What is older than the newest event by `flink.state_ttl_hours` is left out, where
Flink counts by the age of its state: a backlog is best read in one batch (`--once`).

Run: `python -m stream_processing.spark_streaming.streaming_jobs.create_realtime_features [--once|--trigger-seconds N]`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

import structlog
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, TRANSACTION
from data_lake.transforms.bronze import from_kafka
from data_lake.transforms.decode import decode
from shared_utils.cli import run_main, stop_signal
from shared_utils.settings import Settings, load_settings
from stream_processing.spark_streaming.broker import require_topics
from stream_processing.spark_streaming.session import start_session

log = structlog.get_logger(__name__)

NAME: Final = "create_realtime_features"
_CUSTOMER_ACTIONS: Final = ("view", "add", "remove", "search")
_PRODUCT_ACTIONS: Final = ("view", "add")
_CUSTOMER, _PRODUCT = "customer", "product"
_INSTANT: Final = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"
_POLL_SECONDS: Final = 0.2


def transform(clicks: DataFrame, baskets: DataFrame, *, keep_hours: int) -> DataFrame:
    """Kafka records (topic, key, value, headers) of the features, from bronze rows of the two topics.

    Grain: one row per entity and minute of event time. On a stream `keep_hours` bounds the state, by event time.
    """
    events = (
        _click_events(clicks).unionByName(_basket_events(baskets)).withWatermark("event_time", f"{keep_hours} hours")
    )
    firsts = _firsts(events)
    counted = firsts.withColumn("entity", F.explode("entities")).select("*", "entity.*")
    return _records(_by_minute(counted))


def _click_events(clicks: DataFrame) -> DataFrame:
    action, product = F.col("event.action"), F.col("event.product_id")
    entities = F.array(
        F.when(action.isin(*_CUSTOMER_ACTIONS), _entity(_CUSTOMER, F.col("event.customer_id"), F.lit(0))),
        F.when(action.isin(*_PRODUCT_ACTIONS), _entity(_PRODUCT, product, F.lit(0))),
    )
    return _events(clicks, CLICK, action, product, F.array_compact(entities))


def _basket_events(baskets: DataFrame) -> DataFrame:
    customer = _entity(_CUSTOMER, F.col("event.customer_id"), F.col("event.total_cents"))
    lines = F.transform("event.lines", lambda line: _entity(_PRODUCT, line["product_id"], line["sales_cents"]))
    no_product = F.lit(None).cast("bigint")
    return _events(baskets, TRANSACTION, F.lit("purchase"), no_product, F.concat(F.array(customer), lines))


def _entity(kind: str, entity_id: Column, spend_cents: Column) -> Column:
    spend = spend_cents.cast("bigint").alias("spend_cents")
    return F.struct(F.lit(kind).alias("kind"), entity_id.alias("entity_id"), spend)


def _events(raw: DataFrame, topic: str, action: Column, product_id: Column, entities: Column) -> DataFrame:
    trace = F.get(F.filter("headers", lambda header: header["key"] == "traceparent"), F.lit(0))["value"]
    return decode(raw, topic).accepted.select(
        "topic",
        "event_id",
        "event_time",
        F.struct("arrival_time", "topic", "partition", "offset").alias("arrival"),
        trace.alias("traceparent"),
        action.alias("action"),
        product_id.alias("product_id"),
        entities.alias("entities"),
    )


def _firsts(events: DataFrame) -> DataFrame:
    keys = ["topic", "event_id"]
    return events.dropDuplicatesWithinWatermark(keys) if events.isStreaming else events.dropDuplicates(keys)


def _by_minute(counted: DataFrame) -> DataFrame:
    touch = F.struct("product_id", _text(F.col("event_time")).alias("event_time"), "action")
    touched = F.when(F.col("action").isin(*_PRODUCT_ACTIONS) & (F.col("kind") == _CUSTOMER), touch)
    return (
        counted.withColumn("touch", F.when(touched.isNotNull(), F.struct("arrival", touched.alias("touched"))))
        .groupBy("kind", "entity_id", F.window("event_time", "1 minute"))
        .agg(
            F.count("*").alias("version"),
            F.max("event_time").alias("latest"),
            F.max_by(F.struct("event_id", "traceparent"), "arrival").alias("newest"),
            *(_count(action) for action in (*_CUSTOMER_ACTIONS, "purchase")),
            F.sum("spend_cents").alias("spend_cents"),
            F.array_sort(F.collect_list("touch")).alias("touches"),
        )
    )


def _count(action: str) -> Column:
    return F.count_if(F.col("action") == action).alias(action)


def _records(minutes: DataFrame) -> DataFrame:
    of_customer = F.col("kind") == _CUSTOMER
    state = (
        _text(F.col("window.start")).alias("bucket_start"),
        F.col("version"),
        _text(F.col("latest")).alias("event_time"),
        F.col("newest.event_id").alias("last_event_id"),
        F.col("view").alias("views"),
        F.col("add").alias("adds"),
    )
    spent = (F.col("purchase").alias("purchases"), F.col("spend_cents"))
    removed = (F.col("remove").alias("removes"), F.col("search").alias("searches"))
    products = F.transform("touches", lambda touch: touch["touched"]).alias("products")
    customer = F.struct(F.col("entity_id").alias("customer_id"), *state, *removed, *spent, products)
    product = F.struct(F.col("entity_id").alias("product_id"), *state, *spent)
    headers = F.array(_header("schema_version", F.lit(b"1")), _header("traceparent", F.col("newest.traceparent")))
    return minutes.select(
        F.when(of_customer, CUSTOMER_FEATURE).otherwise(PRODUCT_FEATURE).alias("topic"),
        F.col("entity_id").cast("string").alias("key"),
        F.when(of_customer, F.to_json(customer)).otherwise(F.to_json(product)).alias("value"),
        headers.alias("headers"),
    )


def _text(instant: Column) -> Column:
    return F.date_format(instant, _INSTANT)


def _header(name: str, value: Column) -> Column:
    return F.struct(F.lit(name).alias("key"), value.alias("value"))


def start(spark: SparkSession, settings: Settings, *, once: bool, trigger_seconds: float) -> StreamingQuery:
    """The running query."""
    clicks, baskets = (_source(spark, topic, settings) for topic in (CLICK, TRANSACTION))
    records = transform(clicks, baskets, keep_hours=settings.flink.state_ttl_hours)
    writer = records.writeStream.queryName(NAME).format("kafka").outputMode("update")
    writer = writer.option("kafka.bootstrap.servers", settings.kafka.bootstrap_servers).option("kafka.acks", "all")
    writer = writer.option("checkpointLocation", str(settings.run_dir.resolve() / "checkpoints" / NAME))
    interval = f"{round(trigger_seconds * 1000)} milliseconds"
    return (writer.trigger(availableNow=True) if once else writer.trigger(processingTime=interval)).start()


def _source(spark: SparkSession, topic: str, settings: Settings) -> DataFrame:
    options = {
        "kafka.bootstrap.servers": settings.kafka.bootstrap_servers,
        "subscribe": topic,
        "startingOffsets": "earliest",
        "includeHeaders": "true",
    }
    return from_kafka(spark.readStream.format("kafka").options(**options).load())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stream until SIGTERM, or to the topics' present ends."""
    options = argparse.ArgumentParser(description="Minute features from Kafka to Kafka by micro-batch.")
    how = options.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="count what the topics hold now, then stop")
    how.add_argument("--trigger-seconds", type=float, default=1.0, help="between batches; 0: as fast as possible")
    arguments = options.parse_args(argv)
    settings = load_settings()
    require_topics((CLICK, TRANSACTION, CUSTOMER_FEATURE, PRODUCT_FEATURE), settings.kafka)
    spark = start_session(NAME)
    try:
        query = start(spark, settings, once=arguments.once, trigger_seconds=arguments.trigger_seconds)
        with stop_signal() as stopped:
            while query.isActive and not stopped.wait(_POLL_SECONDS):
                pass
        query.stop()
        query.awaitTermination()
        log.info("minute_features_stopped", batches=len(query.recentProgress))
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    run_main(main)
