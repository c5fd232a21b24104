"""Every batch job on Sail and on Apache Spark over the same real weeks: silver and gold equal, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from batch_processing.interval import Interval
from data_lake.catalog import TABLES, Table
from data_lake.compare import compare, read_table
from shared_utils.local_stack import LocalStack
from shared_utils.settings import Settings
from tests.fakes.batch_lake import (
    engines,
    history,
    kafka_day,
    run_pipeline,
    settings_of,
    small_archive,
    write_kafka_rows,
)

pytestmark = [pytest.mark.spark, pytest.mark.integration]
FLOAT_REL = 1e-9
DAYS = 8


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with engines(tmp_path_factory.mktemp("engines"), "sail", "spark") as running:
        yield running


@pytest.fixture(scope="module")
def lakes(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Settings]:
    """Eight days from the archive and two days of faulty Kafka rows, built by each engine."""
    folder = tmp_path_factory.mktemp("lakes")
    archive = small_archive(folder / "archive")
    interval = Interval(history().start, history().start + timedelta(days=DAYS))
    lakes = {name: settings_of(stack, name, folder / name) for name in ("sail", "spark")}
    for settings in lakes.values():
        write_kafka_rows(settings.lake.root, [*kafka_day(interval.start), *kafka_day(interval.start + timedelta(2))])
        run_pipeline(settings, interval, archive)
    return lakes


def written(settings: Settings) -> list[Table]:
    return [table for table in TABLES if DeltaTable.is_deltatable(table.path(settings.lake.root))]


def test_both_engines_write_equal_tables(lakes: Mapping[str, Settings]) -> None:
    assert written(lakes["sail"]) == written(lakes["spark"])
    for table in written(lakes["sail"]):
        left, right = (read_table(table, lakes[name].lake.root) for name in ("sail", "spark"))
        difference = compare(left, right, table.key, FLOAT_REL)
        assert difference.equal, f"{table.full_name}: {difference}"


def test_spark_overwrites_what_sail_wrote(lakes: Mapping[str, Settings], stack: LocalStack, tmp_path: Path) -> None:
    sail = lakes["sail"]
    before = {table: read_table(table, sail.lake.root) for table in written(sail) if table.layer == "gold"}
    last = Interval(history().start + timedelta(days=DAYS - 1), history().start + timedelta(days=DAYS))
    run_pipeline(
        settings_of(stack, "spark", sail.lake.root), last, tmp_path, disable=["reference", "archive", "silver"]
    )
    for table, rows in before.items():
        difference = compare(rows, read_table(table, sail.lake.root), table.key, FLOAT_REL)
        assert difference.equal, f"{table.full_name}: {difference}"
