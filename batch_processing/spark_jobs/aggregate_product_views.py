"""Aggregate clicks to a product's day on the site.

Reads: silver.click. Writes: gold.daily_product_views (the interval's days). Grain: product_id x event_date.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

import structlog

from batch_processing.interval import interval_of, job_parser
from batch_processing.lake_io import LakeIO
from batch_processing.transforms.daily import daily_product_views
from data_lake import engine
from data_lake.catalog import DAILY_PRODUCT_VIEWS, SILVER_CLICK
from data_lake.storage import root_of
from shared_utils.cli import run_main
from shared_utils.settings import Settings, load_settings

log = structlog.get_logger(__name__)


def parse(argv: Sequence[str] | None) -> Namespace:
    """The job's arguments."""
    return job_parser("spark_jobs.aggregate_product_views", __doc__).parse_args(argv)


def run(arguments: Namespace, settings: Settings) -> None:
    """Overwrite the interval's days; without clicks (a shop with tills only) there is nothing to write."""
    interval = interval_of(arguments)
    lake = LakeIO(engine.session(settings), root_of(settings))
    clicks = lake.read_if_exists(SILVER_CLICK)
    if clicks is None:
        log.info("no_clicks", table=SILVER_CLICK.full_name)
        return
    views = daily_product_views(clicks.where(interval.predicate("event_date")))
    lake.overwrite_days(views, DAILY_PRODUCT_VIEWS, interval)


def main(argv: Sequence[str] | None = None) -> int:
    """Aggregate the interval's product views."""
    run(parse(argv), load_settings())
    return 0


if __name__ == "__main__":
    run_main(main)
