"""A planted fault changes a copy of one table and leaves the world as it was."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from data_lake.catalog import SILVER_CLICK, SILVER_PAYMENT
from production_ops.prove.plants import DUPLICATED_BATCH, LOST_EVENT, Planting, planted_lake


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    root = tmp_path / "lake"
    for table in (SILVER_CLICK, SILVER_PAYMENT):
        for first in (0, 10):  # two commits, two files
            rows = {"kafka_partition": [0] * 10, "kafka_offset": range(first, first + 10)}
            write_deltalake(table.path(root), pa.table(rows), mode="append")
    return root


def offsets(lake: Path, table: object = SILVER_CLICK) -> list[int]:
    path = SILVER_CLICK.path(lake) if table is SILVER_CLICK else SILVER_PAYMENT.path(lake)
    return sorted(DeltaTable(path).to_pyarrow_table()["kafka_offset"].to_pylist())


@pytest.mark.parametrize(("planting", "rows"), [(LOST_EVENT, 19), (DUPLICATED_BATCH, 30)])
def test_only_the_copy_is_spoiled(lake: Path, tmp_path: Path, planting: Planting, rows: int) -> None:
    spoiled = planted_lake(lake, tmp_path / "planted", planting)
    assert len(offsets(spoiled)) == rows
    assert offsets(lake) == list(range(20))
    assert offsets(spoiled, SILVER_PAYMENT) == list(range(20))
    assert Path(SILVER_PAYMENT.path(spoiled)).is_symlink()
