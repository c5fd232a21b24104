"""What a table's log says, read without an engine: does it exist, which transactions has it seen."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow.dataset import field

from data_lake.catalog import Table
from data_lake.storage import LakeRoot, storage_options
from shared_utils.errors import DependencyError

_ARROW_TYPES: Final = {
    "string": pa.string(),
    "binary": pa.binary(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def open_delta(table: Table, lake_root: LakeRoot, version: int | None = None) -> DeltaTable:
    """The table at `version`, by default its newest one.

    Raises:
        deltalake.exceptions.TableNotFoundError: it has no version.
        OSError: the object store does not answer.
    """
    return DeltaTable(table.path(lake_root), version=version, storage_options=storage_options(lake_root))


def create(table: Table, lake_root: LakeRoot, ddl: str) -> None:
    """Make an empty table of plain columns (`name type, ...`) unless it exists; two makers may do it at once."""
    columns = [column.split() for column in ddl.split(",")]
    schema = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in columns])
    create_of(table, lake_root, schema)


def create_of(table: Table, lake_root: LakeRoot, schema: pa.Schema) -> None:
    """Make an empty table of an Arrow schema unless it exists."""
    options = storage_options(lake_root)
    partitions = list(table.partition_by)
    DeltaTable.create(table.path(lake_root), schema, mode="ignore", partition_by=partitions, storage_options=options)


def exists(table: Table, lake_root: LakeRoot) -> bool:
    """Whether the table has a first version.

    Raises:
        DependencyError: the lake does not answer: that is no empty lake.
    """
    try:
        return bool(DeltaTable.is_deltatable(table.path(lake_root), storage_options(lake_root)))
    except OSError as exc:
        raise DependencyError(
            f"The lake at {lake_root} does not answer ({str(exc).splitlines()[0]}).",
            "Start the object store, or check SHOP_LAKE__ROOT and SHOP_OBJECT_STORE__*.",
        ) from exc


def last_transaction(table: Table, lake_root: LakeRoot, app_id: str) -> int | None:
    """The highest transaction version that `app_id` committed; None without a table or without a commit of it."""
    if not exists(table, lake_root):
        return None
    version: int | None = open_delta(table, lake_root).transaction_version(app_id)
    return version


def holds_rows_from(table: Table, lake_root: LakeRoot, source: str) -> bool:
    """Whether a bronze table has a row whose `source` is the given one."""
    if not exists(table, lake_root):
        return False
    rows = open_delta(table, lake_root).to_pyarrow_dataset()
    return bool(rows.head(1, columns=["source"], filter=field("source") == source).num_rows)


def partition_values(table: Table, lake_root: LakeRoot, column: str) -> set[str]:
    """The values of a partition column that hold rows, as the log writes them; none without a table."""
    if not exists(table, lake_root):
        return set()
    return {str(partition[column]) for partition in open_delta(table, lake_root).partitions()}
