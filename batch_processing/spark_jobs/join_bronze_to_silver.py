"""The batch road from bronze to silver: backfill of history, replay of days, repair of late rows.

Reads: bronze.{transaction, click, payment, inventory}, silver.product, silver.promotion.
Writes: silver.{transaction_line, click, payment, inventory, late_event, duplicate_event} for the event days of the
interval, bronze.quarantine for its arrival days.
Grain: as the catalogue says; verdict, fate and typed row come from data_lake.transforms, as in the stream.

`--late repair` (default) folds late rows into silver, `--late set-aside` leaves exactly the stream's rows. Late rows
stay in silver.late_event either way: it is the record of lateness; a ledger counts one only while silver lacks its id.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch_processing.interval import Interval, interval_of, job_parser
from batch_processing.lake_io import LakeIO
from contracts.topics_names import CLICK, INVENTORY, PAYMENT, SHOP_TOPICS, TRANSACTION
from data_lake import engine
from data_lake.catalog import (
    BRONZE_OF_TOPIC,
    DUPLICATE_EVENT,
    LATE_EVENT,
    PRODUCT,
    PROMOTION,
    QUARANTINE,
    SILVER_OF_TOPIC,
)
from data_lake.files import remove_folder
from data_lake.storage import root_of
from data_lake.transforms import click, fates, inventory, payment, refused, transaction
from data_lake.transforms.decode import judge
from shared_utils.cli import run_main
from shared_utils.settings import LakeSettings, Settings, load_settings

log = structlog.get_logger(__name__)

REPAIR: Final = "repair"
SET_ASIDE: Final = "set-aside"
_TYPED_ROWS: Final[Mapping[str, Callable[[DataFrame], DataFrame]]] = {
    CLICK: click.transform,
    PAYMENT: payment.transform,
    INVENTORY: inventory.transform,
}


def transform(bronze: DataFrame, topic: str, *, allowed_lateness_seconds: int) -> DataFrame:
    """Every bronze row of a topic with its verdict, its typed event and its fate.

    Grain: one row per bronze row. `value` stays only where the row is refused: silver does not need it.
    """
    received = bronze.drop("headers", "ingest_time")
    fated = fates.assign_fates(judge(received, topic), None, allowed_lateness_seconds=allowed_lateness_seconds)
    refused_value = F.when(F.col("fate") == fates.QUARANTINE, F.col("value"))
    return fated.withColumn("value", refused_value).drop("settled_in")


def parse(argv: Sequence[str] | None) -> Namespace:
    """The job's arguments."""
    parser = job_parser("spark_jobs.join_bronze_to_silver", __doc__)
    parser.add_argument(
        "--late", choices=(REPAIR, SET_ASIDE), default=REPAIR, help="fold late rows in, or leave them out"
    )
    parser.add_argument("--topic", choices=SHOP_TOPICS, action="append", help="only this topic (repeatable)")
    return parser.parse_args(argv)


def run(arguments: Namespace, settings: Settings) -> None:
    """Overwrite the interval of each topic that bronze knows."""
    interval = interval_of(arguments)
    lake = LakeIO(engine.session(settings), root_of(settings))
    for topic in arguments.topic or SHOP_TOPICS:
        bronze = lake.read_if_exists(BRONZE_OF_TOPIC[topic])
        if bronze is not None:
            near = bronze.where(_arrivals(interval, settings.lake).predicate("ingest_date"))
            fated = transform(near, topic, allowed_lateness_seconds=settings.lake.allowed_lateness_seconds)
            _settle(lake, fated, topic, interval, repair=arguments.late == REPAIR)
            log.info("silver_written", topic=topic, start=str(interval.start), end=str(interval.end))


def main(argv: Sequence[str] | None = None) -> int:
    """Rebuild the interval's silver days from bronze."""
    run(parse(argv), load_settings())
    return 0


def _arrivals(interval: Interval, lake: LakeSettings) -> Interval:
    """The arrival days in which an event of the interval, or the first with its id, can have come in."""
    return interval.widened(before=lake.id_horizon_days, after=lake.id_horizon_days)


def _settle(lake: LakeIO, fated: DataFrame, topic: str, interval: Interval, *, repair: bool) -> None:
    """Write each fate to its table. The fated rows are staged first: the verdict is a Python pass and runs once."""
    staging = lake.root / "_staging" / f"fated-{topic}"
    try:
        fated.write.mode("overwrite").parquet(str(staging))
        staged = lake.session.read.parquet(str(staging))
        _write_silver(lake, staged, topic, interval, repair=repair)
        _write_others(lake, staged, topic, interval)
    finally:
        remove_folder(staging)


def _write_silver(lake: LakeIO, staged: DataFrame, topic: str, interval: Interval, *, repair: bool) -> None:
    kept = (fates.SILVER, fates.LATE) if repair else (fates.SILVER,)
    accepted = staged.where(F.col("fate").isin(*kept) & F.expr(interval.predicate("event_date")))
    lake.overwrite_days(_typed(lake, accepted, topic, interval), SILVER_OF_TOPIC[topic], interval)


def _typed(lake: LakeIO, accepted: DataFrame, topic: str, interval: Interval) -> DataFrame:
    if topic != TRANSACTION:
        return _TYPED_ROWS[topic](accepted)
    promotions = lake.read_if_exists(PROMOTION)
    if promotions is not None:
        promotions = promotions.where(interval.widened(before=7).predicate("week_start"))
    return transaction.transform(accepted, lake.read_if_exists(PRODUCT), promotions)


def _write_others(lake: LakeIO, staged: DataFrame, topic: str, interval: Interval) -> None:
    of_topic = f"topic = '{topic}' AND "
    by_event = of_topic + interval.predicate("event_date")
    late = refused.late_event(fates.of_fate(staged, fates.LATE))
    lake.overwrite_where(late, LATE_EVENT, by_event)
    duplicates = refused.duplicate_event(fates.of_fate(staged, fates.DUPLICATE))
    lake.overwrite_where(duplicates, DUPLICATE_EVENT, by_event)
    rejected = refused.quarantine(fates.of_fate(staged, fates.QUARANTINE))
    lake.overwrite_where(rejected, QUARANTINE, of_topic + interval.predicate("ingest_date"))


if __name__ == "__main__":
    run_main(main)
