from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from batch_processing.interval import Interval
from batch_processing.spark_jobs.load_reference import parse, products, promotions, run
from data_lake.catalog import PRODUCT, PROMOTION
from data_lake.compare import read_table
from data_sources.calendar import Calendar
from shared_utils.settings import CalendarSettings, LakeSettings, Settings
from shared_utils.time_utils import fixed_clock

LIVE_END = date(2026, 11, 9)


def test_products_are_unique_and_ordered() -> None:
    with duckdb.connect() as connection:
        ids = products(connection)["product_id"].to_pylist()
    assert len(ids) == 92_331
    assert ids == sorted(set(ids))


def test_a_source_week_lies_on_its_shifted_monday() -> None:
    calendar = Calendar.from_settings(
        CalendarSettings(live_end=LIVE_END), fixed_clock(datetime(2026, 12, 1, tzinfo=UTC))
    )
    week = calendar.week_start(10)
    with duckdb.connect() as connection:
        rows = promotions(connection, calendar, Interval(week, week + timedelta(days=7))).read_all()
    assert week.weekday() == 0
    assert set(rows["week_start"].to_pylist()) == {week}
    keys = set(zip(rows["product_id"].to_pylist(), rows["store_id"].to_pylist(), strict=True))
    assert len(keys) == rows.num_rows > 100_000


def test_a_second_load_replaces_the_weeks_that_touch_the_interval(tmp_path: Path) -> None:
    settings = Settings(env="test", calendar=CalendarSettings(live_end=LIVE_END), lake=LakeSettings(root=tmp_path))
    arguments = parse(["--start", "2026-11-02", "--end", "2026-11-03"])
    run(arguments, settings)
    first = read_table(PROMOTION, tmp_path).num_rows
    run(arguments, settings)
    again = read_table(PROMOTION, tmp_path)
    assert again.num_rows == first
    assert set(again["week_start"].to_pylist()) <= {date(2026, 10, 26), date(2026, 11, 2)}
    assert read_table(PRODUCT, tmp_path).num_rows == 92_331
