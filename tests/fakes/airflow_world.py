"""A small real lake for the DAGs: thirteen weeks of some households, the last week of them in bronze alone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from batch_processing.spark_jobs import (
    aggregate_product_views,
    calculate_churn_features,
    join_bronze_to_silver,
    load_archive,
    load_reference,
    output_to_gold,
)
from data_lake.catalog import (
    CUSTOMER_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    CUSTOMER_PROFILE,
    DAILY_CUSTOMER,
    DAILY_PRODUCT_SALES,
    DAILY_PRODUCT_VIEWS,
    LATE_EVENT,
    PRODUCT_COPURCHASE,
    PRODUCT_FEATURES,
    PRODUCT_PROMOTION_WEEK,
    QUARANTINE,
    SILVER_CLICK,
    TRANSACTION_LINE,
    Table,
)
from data_lake.compare import content_hash, read_table
from data_sources.calendar import Calendar
from data_sources.pos_logs.write_archive import write_archive
from shared_utils.settings import CalendarSettings, Settings
from shared_utils.time_utils import fixed_clock
from tests.fakes.batch_lake import LIVE_END, kafka_day, write_kafka_rows

WEEKS, CUSTOMERS = 13, 300
DERIVED: tuple[Table, ...] = (
    TRANSACTION_LINE,
    SILVER_CLICK,
    LATE_EVENT,
    QUARANTINE,
    DAILY_CUSTOMER,
    DAILY_PRODUCT_SALES,
    DAILY_PRODUCT_VIEWS,
    CUSTOMER_FEATURES,
    CUSTOMER_PROFILE,
    PRODUCT_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    PRODUCT_COPURCHASE,
    PRODUCT_PROMOTION_WEEK,
)


def calendar() -> Calendar:
    whole = Calendar.from_settings(CalendarSettings(live_end=LIVE_END), fixed_clock(datetime(2026, 11, 20, tzinfo=UTC)))
    return Calendar(whole.shift, whole.live_start - timedelta(weeks=WEEKS), whole.live_start, whole.live_end)


def last_week() -> tuple[date, date]:
    """The days that the DAG has to do: first, and first after."""
    end = calendar().live_start.date()
    return end - timedelta(days=7), end


def build(settings: Settings, folder: Path) -> None:
    """Everything in bronze; silver and gold up to the last week."""
    write_archive(folder / "archive", calendar(), limit_customers=CUSTOMERS)
    beginning, (start, end) = calendar().history_start.date(), last_week()
    days = [start + timedelta(days=n) for n in range(8)]
    write_kafka_rows(settings.lake.root, [sent for day in days for sent in kafka_day(day)])
    whole = _between(beginning, end + timedelta(days=2))
    load_reference.run(load_reference.parse(whole), settings)
    load_archive.run(load_archive.parse([*whole, "--archive", str(folder / "archive")]), settings)
    known = _between(beginning, start)
    join_bronze_to_silver.run(join_bronze_to_silver.parse(known), settings)
    calculate_churn_features.run(calculate_churn_features.parse(known), settings)
    aggregate_product_views.run(aggregate_product_views.parse(known), settings)
    output_to_gold.run(output_to_gold.parse([*known, "--copurchase-weeks", str(WEEKS)]), settings)


def hashes(lake_root: Path) -> dict[str, str]:
    return {table.full_name: content_hash(read_table(table, lake_root), table.key) for table in DERIVED}


def put_back(copy: Path, lake_root: Path) -> None:
    shutil.rmtree(lake_root)
    shutil.copytree(copy, lake_root)


def _between(start: date, end: date) -> Sequence[str]:
    return ("--start", str(start), "--end", str(end))
