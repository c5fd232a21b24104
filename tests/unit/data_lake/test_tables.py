from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from data_lake import tables
from data_lake.catalog import BRONZE_CLICK, LATE_EVENT
from data_lake.transforms.refused import LATE_EVENT_DDL


def write(root: Path, source: str, app_id: str, version: int) -> None:
    rows = pa.table({"source": [source], "offset": [version]})
    seen = CommitProperties(app_transactions=[Transaction(app_id, version)])
    write_deltalake(BRONZE_CLICK.path(root), rows, mode="append", commit_properties=seen)


def test_a_table_that_nobody_wrote(tmp_path: Path) -> None:
    assert not tables.exists(BRONZE_CLICK, tmp_path)
    assert tables.last_transaction(BRONZE_CLICK, tmp_path, "q/bronze.click") is None
    assert not tables.holds_rows_from(BRONZE_CLICK, tmp_path, "kafka")


def test_transactions_are_known_by_application(tmp_path: Path) -> None:
    write(tmp_path, "kafka", "q/bronze.click", 0)
    write(tmp_path, "kafka", "q/bronze.click", 3)
    assert tables.exists(BRONZE_CLICK, tmp_path)
    assert tables.last_transaction(BRONZE_CLICK, tmp_path, "q/bronze.click") == 3
    assert tables.last_transaction(BRONZE_CLICK, tmp_path, "other/bronze.click") is None


def test_rows_are_known_by_source(tmp_path: Path) -> None:
    write(tmp_path, "pos_archive", "loader", 0)
    assert tables.holds_rows_from(BRONZE_CLICK, tmp_path, "pos_archive")
    assert not tables.holds_rows_from(BRONZE_CLICK, tmp_path, "kafka")


def test_a_table_is_made_once_with_its_partitions(tmp_path: Path) -> None:
    for _ in range(2):
        tables.create(LATE_EVENT, tmp_path, LATE_EVENT_DDL)
    made = DeltaTable(LATE_EVENT.path(tmp_path))
    assert made.version() == 0
    assert made.metadata().partition_columns == ["event_date"]
    assert [field.name for field in made.schema().fields][-1] == "event_date"
