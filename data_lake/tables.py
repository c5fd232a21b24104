"""What a table's log says, read without an engine: does it exist, which transactions has it seen."""

from __future__ import annotations

from pathlib import Path

from deltalake import DeltaTable
from pyarrow.dataset import field

from data_lake.catalog import Table


def exists(table: Table, lake_root: Path) -> bool:
    """Whether the table has a first version."""
    return bool(DeltaTable.is_deltatable(table.path(lake_root)))


def last_transaction(table: Table, lake_root: Path, app_id: str) -> int | None:
    """The highest transaction version that `app_id` committed; None without a table or without a commit of it."""
    if not exists(table, lake_root):
        return None
    version: int | None = DeltaTable(table.path(lake_root)).transaction_version(app_id)
    return version


def holds_rows_from(table: Table, lake_root: Path, source: str) -> bool:
    """Whether a bronze table has a row whose `source` is the given one."""
    if not exists(table, lake_root):
        return False
    rows = DeltaTable(table.path(lake_root)).to_pyarrow_dataset()
    return bool(rows.head(1, columns=["source"], filter=field("source") == source).num_rows)
