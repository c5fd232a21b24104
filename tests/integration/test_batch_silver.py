"""The batch road from bronze to silver on Sail: every fate, repair of late rows, re-runs, other days left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from batch_processing.interval import Interval
from batch_processing.spark_jobs import aggregate_product_views, join_bronze_to_silver
from contracts.topics_names import CLICK, TRANSACTION
from data_lake.catalog import (
    DAILY_PRODUCT_VIEWS,
    DUPLICATE_EVENT,
    LATE_EVENT,
    QUARANTINE,
    SILVER_CLICK,
    SILVER_OF_TOPIC,
    TRANSACTION_LINE,
    Table,
)
from data_lake.compare import compare, content_hash, read_table
from shared_utils.local_stack import LocalStack
from shared_utils.settings import Settings
from tests.fakes.batch_lake import engines, kafka_day, settings_of, write_kafka_rows

pytestmark = pytest.mark.integration
DAY = date(2026, 11, 3)
INTERVAL = Interval(DAY, DAY + timedelta(days=1))
# The late rows arrive on the next day but belong to the first.
WORDS = ["--start", str(DAY), "--end", str(DAY + timedelta(days=1))]


@pytest.fixture(scope="module")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with engines(tmp_path_factory.mktemp("sail"), "sail") as stack:
        yield stack


@pytest.fixture
def lake(sail: LocalStack, tmp_path: Path) -> Settings:
    settings = settings_of(sail, "sail", tmp_path / "lake")
    write_kafka_rows(settings.lake.root, [*kafka_day(DAY), *kafka_day(DAY + timedelta(days=1))])
    return settings


def to_silver(settings: Settings, *extra: str) -> None:
    join_bronze_to_silver.run(join_bronze_to_silver.parse([*WORDS, *extra]), settings)


def hashes(settings: Settings) -> dict[str, str]:
    written: list[Table] = [
        *(SILVER_OF_TOPIC[t] for t in (CLICK, TRANSACTION)),
        LATE_EVENT,
        DUPLICATE_EVENT,
        QUARANTINE,
    ]
    return {t.full_name: content_hash(read_table(t, settings.lake.root), t.key) for t in written}


def test_set_aside_gives_every_record_the_streams_fate(lake: Settings) -> None:
    to_silver(lake, "--late", "set-aside")
    expected = Counter((r.topic, r.fate) for r in kafka_day(DAY))
    for topic in {r.topic for r in kafka_day(DAY)}:
        silver = read_table(SILVER_OF_TOPIC[topic], lake.lake.root)
        others = {"late": LATE_EVENT, "duplicate": DUPLICATE_EVENT, "quarantine": QUARANTINE}
        found = {name: read_table(table, lake.lake.root).to_pylist() for name, table in others.items()}
        assert silver.num_rows == expected[topic, "silver"] == 1
        for name, rows in found.items():
            assert sum(row["topic"] == topic for row in rows) == expected[topic, name]


def test_quarantine_says_why_and_keeps_the_bytes(lake: Settings) -> None:
    to_silver(lake)
    rows = [r for r in read_table(QUARANTINE, lake.lake.root).to_pylist() if r["topic"] == CLICK]
    assert sorted(row["reason"] for row in rows) == ["FUTURE", "ID_CONFLICT", "PARSE"]
    assert {row["value"] for row in rows} <= {r.value for r in kafka_day(DAY)}


def test_b7_repair_folds_the_late_row_in_and_set_aside_takes_it_out_again(lake: Settings) -> None:
    to_silver(lake)
    repaired = read_table(SILVER_CLICK, lake.lake.root).to_pylist()
    assert len(repaired) == 2
    assert {r["event_date"] for r in repaired} == {DAY}
    to_silver(lake, "--late", "set-aside")
    assert read_table(SILVER_CLICK, lake.lake.root).num_rows == 1
    assert read_table(LATE_EVENT, lake.lake.root).num_rows == 4


def test_a_rerun_gives_equal_bytes_and_leaves_other_days_alone(lake: Settings) -> None:
    to_silver(lake)
    first = hashes(lake)
    to_silver(lake)
    assert hashes(lake) == first
    next_day = ["--start", str(INTERVAL.end), "--end", str(INTERVAL.end + timedelta(days=1))]
    join_bronze_to_silver.run(join_bronze_to_silver.parse(next_day), lake)
    rows = read_table(SILVER_CLICK, lake.lake.root).to_pylist()
    assert Counter(r["event_date"] for r in rows) == {DAY: 2, INTERVAL.end: 2}


def test_views_are_counted_and_a_lost_click_is_seen(lake: Settings) -> None:
    to_silver(lake)
    aggregate_product_views.run(aggregate_product_views.parse(WORDS), lake)
    views = read_table(DAILY_PRODUCT_VIEWS, lake.lake.root)
    (row,) = views.to_pylist()
    assert (row["product_id"], row["views_count"], row["sessions_count"], row["adds_count"]) == (1, 2, 1, 0)
    to_silver(lake, "--late", "set-aside")
    aggregate_product_views.run(aggregate_product_views.parse(WORDS), lake)
    fewer = compare(views, read_table(DAILY_PRODUCT_VIEWS, lake.lake.root), DAILY_PRODUCT_VIEWS.key)
    assert (fewer.changed, fewer.equal) == (1, False)
    assert "views_count" in fewer.changed_columns


def test_without_dimensions_a_sale_is_kept(lake: Settings) -> None:
    to_silver(lake)
    rows = read_table(TRANSACTION_LINE, lake.lake.root).to_pylist()
    assert len(rows) == 2
    assert {r["department"] for r in rows} == {None}
