"""Products, customer x product pairs, co-purchases and planned promotions in gold.

Reads: silver.transaction_line, silver.product, silver.promotion, gold.daily_customer. Writes: gold.daily_product_sales,
gold.product_features, gold.customer_product_features (the interval's days), gold.product_copurchase (Mondays of the
interval: the last --copurchase-weeks of them, or those of --copurchase-at), gold.product_promotion_week (the weeks that
touch the interval).
Grain: as the catalogue says. State is added up from the silver history, but only the interval is written.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import date
from typing import Final

from pyspark.sql import DataFrame

from batch_processing.interval import Interval, interval_of, job_parser
from batch_processing.lake_io import LakeIO
from batch_processing.transforms.baskets import basket_products
from batch_processing.transforms.copurchase import product_copurchase, snapshot_days
from batch_processing.transforms.daily import daily_product_sales
from batch_processing.transforms.promotion import product_promotion_week
from batch_processing.transforms.purchases import (
    customer_product_features,
    pair_days,
    product_codes,
    product_features,
)
from data_lake import engine
from data_lake.catalog import (
    CUSTOMER_PRODUCT_FEATURES,
    DAILY_CUSTOMER,
    DAILY_PRODUCT_SALES,
    PRODUCT,
    PRODUCT_COPURCHASE,
    PRODUCT_FEATURES,
    PRODUCT_PROMOTION_WEEK,
    PROMOTION,
    TRANSACTION_LINE,
)
from data_lake.storage import root_of
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError
from shared_utils.settings import Settings, load_settings
from shared_utils.time_utils import epoch_day

DEFAULT_COPURCHASE_WEEKS: Final = 4


def parse(argv: Sequence[str] | None) -> Namespace:
    """The job's arguments."""
    parser = job_parser("spark_jobs.output_to_gold", __doc__)
    parser.add_argument(
        "--copurchase-weeks",
        type=int,
        default=DEFAULT_COPURCHASE_WEEKS,
        help="snapshots to take, counted back from --end",
    )
    parser.add_argument(
        "--copurchase-at",
        type=lambda text: [date.fromisoformat(day) for day in text.split(",")],
        metavar="DAY,DAY",
        help="the snapshots' Mondays instead, ascending; what lies between the first and the last is replaced",
    )
    return parser.parse_args(argv)


def run(arguments: Namespace, settings: Settings) -> None:
    """Overwrite the interval's days, snapshots and weeks."""
    interval = interval_of(arguments)
    lake = LakeIO(engine.session(settings), root_of(settings))
    history = lake.read(TRANSACTION_LINE).where(f"event_date < '{interval.end}'")
    todays = basket_products(history.where(interval.predicate("event_date")))
    lake.overwrite_days(daily_product_sales(todays), DAILY_PRODUCT_SALES, interval)
    _write_pairs(lake, history, interval)
    _write_products(lake, interval)
    _write_copurchase(lake, history, _snapshots(arguments, interval))
    _write_promotions(lake, interval)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the interval's product tables."""
    run(parse(argv), load_settings())
    return 0


def _write_pairs(lake: LakeIO, history: DataFrame, interval: Interval) -> None:
    """The pairs of the interval, from their whole history: nothing else gets a new row."""
    key = ["customer_id", "product_id"]
    touched = history.where(interval.predicate("event_date")).select(*key).distinct()
    pairs = pair_days(basket_products(history.join(touched, on=key, how="left_semi")))
    daily = lake.read(DAILY_CUSTOMER).where(f"event_date < '{interval.end}'")
    rows = customer_product_features(pairs, daily, epoch_day(interval.start))
    lake.overwrite_days(rows, CUSTOMER_PRODUCT_FEATURES, interval)


def _write_products(lake: LakeIO, interval: Interval) -> None:
    until_end = f"event_date < '{interval.end}'"
    sales, pairs = (lake.read(table).where(until_end) for table in (DAILY_PRODUCT_SALES, CUSTOMER_PRODUCT_FEATURES))
    touched = sales.where(interval.predicate("event_date")).select("product_id").distinct()
    rows = product_features(
        sales.join(touched, on="product_id", how="left_semi"),
        pairs.select("product_id", "day", "days_count").join(touched, on="product_id", how="left_semi"),
        product_codes(lake.read(PRODUCT)),
    )
    lake.overwrite_days(rows, PRODUCT_FEATURES, interval)


def _snapshots(arguments: Namespace, interval: Interval) -> list[int]:
    """The epoch days of the snapshots.

    Raises:
        ConfigurationError: a day of --copurchase-at is no Monday of the interval.
    """
    mondays = snapshot_days(epoch_day(interval.start), epoch_day(interval.end))
    if arguments.copurchase_at is None:
        return mondays[-arguments.copurchase_weeks :]
    if wrong := [day for day in arguments.copurchase_at if epoch_day(day) not in mondays]:
        raise ConfigurationError(
            f"{wrong[0]} of --copurchase-at is no Monday in {interval.start}..{interval.end}.",
            "Give Mondays after --start, up to --end.",
        )
    return sorted(map(epoch_day, arguments.copurchase_at))


def _write_copurchase(lake: LakeIO, history: DataFrame, days: Sequence[int]) -> None:
    if days:
        rows = product_copurchase(basket_products(history), days)
        condition = f"snapshot_day >= {days[0]} AND snapshot_day <= {days[-1]}"
        lake.overwrite_where(rows, PRODUCT_COPURCHASE, condition)


def _write_promotions(lake: LakeIO, interval: Interval) -> None:
    plan = lake.read_if_exists(PROMOTION)
    if plan is not None:
        # The week of the first day began before it; the week after the interval is planned already.
        weeks = interval.widened(before=7, after=7).predicate("week_start")
        lake.overwrite_where(product_promotion_week(plan.where(weeks)), PRODUCT_PROMOTION_WEEK, weeks)


if __name__ == "__main__":
    run_main(main)
