"""What a table's log says, read without an engine: does it exist, which transactions has it seen."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow.dataset import field

from data_lake.catalog import Table

_ARROW_TYPES: Final = {
    "string": pa.string(),
    "binary": pa.binary(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def create(table: Table, lake_root: Path, ddl: str) -> None:
    """Make an empty table of plain columns (`name type, ...`) unless it exists; two makers may do it at once."""
    columns = [column.split() for column in ddl.split(",")]
    schema = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in columns])
    DeltaTable.create(table.path(lake_root), schema, mode="ignore", partition_by=list(table.partition_by))


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


def partition_values(table: Table, lake_root: Path, column: str) -> set[str]:
    """The values of a partition column that hold rows, as the log writes them; none without a table."""
    if not exists(table, lake_root):
        return set()
    return {str(partition[column]) for partition in DeltaTable(table.path(lake_root)).partitions()}
