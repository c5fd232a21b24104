"""Customers by day and as of each day: what the churn and ranking models know of a customer.

Reads: silver.transaction_line. Writes: gold.daily_customer, gold.customer_features (the interval's days) and
gold.customer_profile (whole; the state at --end). Grain: customer_id x event_date; customer_id.
A late line changes every later day of its customer: after a repair run from the repaired day to the end of history.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from batch_processing.interval import Interval, interval_of, job_parser
from batch_processing.lake_io import LakeIO
from batch_processing.transforms.baskets import basket_products
from batch_processing.transforms.customer import customer_features, customer_profile
from batch_processing.transforms.daily import daily_customer
from data_lake import engine
from data_lake.catalog import CUSTOMER_FEATURES, CUSTOMER_PROFILE, DAILY_CUSTOMER, TRANSACTION_LINE
from data_lake.storage import root_of
from shared_utils.cli import run_main
from shared_utils.settings import Settings, load_settings
from shared_utils.time_utils import epoch_day


def parse(argv: Sequence[str] | None) -> Namespace:
    """The job's arguments."""
    return job_parser("spark_jobs.calculate_churn_features", __doc__).parse_args(argv)


def run(arguments: Namespace, settings: Settings) -> None:
    """Overwrite the interval's days, then the profiles. The features read the daily table, not the lines again."""
    interval = interval_of(arguments)
    lake = LakeIO(engine.session(settings), root_of(settings))
    lines = lake.read(TRANSACTION_LINE)
    todays = daily_customer(basket_products(lines.where(interval.predicate("event_date"))))
    lake.overwrite_days(todays, DAILY_CUSTOMER, interval)
    daily = lake.read(DAILY_CUSTOMER)
    features = customer_features(daily, epoch_day(interval.start), epoch_day(interval.end))
    lake.overwrite_days(features, CUSTOMER_FEATURES, interval)
    _write_profiles(lake, interval)


def main(argv: Sequence[str] | None = None) -> int:
    """Calculate the interval's customer tables."""
    run(parse(argv), load_settings())
    return 0


def _write_profiles(lake: LakeIO, interval: Interval) -> None:
    history = lake.read(TRANSACTION_LINE).where(f"event_date < '{interval.end}'")
    profiles = customer_profile(lake.read(DAILY_CUSTOMER), basket_products(history), epoch_day(interval.end))
    lake.overwrite(profiles, CUSTOMER_PROFILE)


if __name__ == "__main__":
    run_main(main)
