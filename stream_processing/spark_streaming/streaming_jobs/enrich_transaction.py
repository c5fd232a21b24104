"""Transactions from Kafka into the lake, each line joined with its product and the week's promotion.

Reads: shop.transaction.v1, silver.product, silver.promotion (both may be absent: then their columns are null).
Writes: bronze.transaction, silver.transaction_line; refused rows to bronze.quarantine and shop.transaction.v1.dlq, late
ones to silver.late_event, repeats to silver.duplicate_event. Grain: silver has one row per basket_id and line_number.

Run: `python -m stream_processing.spark_streaming.streaming_jobs.enrich_transaction [--once] [--report FILE]`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.topics_names import TRANSACTION
from data_lake.catalog import PRODUCT, PROMOTION
from data_lake.storage import LakeRoot
from data_lake.transforms.transaction import promotion_week, transform
from shared_utils.cli import run_main
from stream_processing.spark_streaming import command, lake_io
from stream_processing.spark_streaming.job import StreamJob


def to_silver(accepted: DataFrame, lake_root: LakeRoot) -> DataFrame:
    """Rows of silver.transaction_line, with the dimensions as they stand in the lake now."""
    products = lake_io.read(accepted.sparkSession, PRODUCT, lake_root)
    promotions = lake_io.read(accepted.sparkSession, PROMOTION, lake_root)
    return transform(accepted, products, _of_the_weeks(promotions, accepted))


def _of_the_weeks(promotions: DataFrame | None, accepted: DataFrame) -> DataFrame | None:
    """The promotions of the batch's weeks only: the table has millions of rows and is partitioned by week."""
    if promotions is None:
        return None
    weeks = accepted.select(promotion_week(F.col("event_time")).alias("week")).distinct().collect()
    return promotions.filter(F.col("week_start").isin([row["week"] for row in weeks]))


JOB: Final = StreamJob("enrich_transaction", TRANSACTION, to_silver)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the transaction stream."""
    return command.run([JOB], command.parser("Transactions from Kafka into the lake.").parse_args(argv))


if __name__ == "__main__":
    run_main(main)
