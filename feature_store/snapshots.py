"""Parquet snapshots of the gold feature tables, each pinned to a Delta version: what Feast and the fast join read.

Feast's DuckDB store reads Delta only through an extension that is fetched at run time; a snapshot also pins a training
set to exact table versions. Columns are renamed to feature names and cast to the catalogue's dtypes.

Reads: the gold feature tables. Writes: <run_dir>/feature_store/snapshots/<view>/*.parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import structlog
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from data_lake.catalog import (
    CUSTOMER_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    PRODUCT_COPURCHASE,
    PRODUCT_FEATURES,
    PRODUCT_PROMOTION_WEEK,
    Table,
)
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from feature_store.core.catalogue import Dtype, View, load_catalogue
from shared_utils.errors import DataError

log = structlog.get_logger(__name__)

SOURCES: Mapping[str, Table] = {
    "customer_features": CUSTOMER_FEATURES,
    "product_features": PRODUCT_FEATURES,
    "customer_product_features": CUSTOMER_PRODUCT_FEATURES,
    "product_promotion": PRODUCT_PROMOTION_WEEK,
    "product_copurchase": PRODUCT_COPURCHASE,
}


SQL_TYPES: Mapping[Dtype, str] = {"int32": "INTEGER", "int64": "BIGINT", "float32": "FLOAT", "float64": "DOUBLE"}


@dataclass(frozen=True)
class Snapshots:
    """Parquet files by view, and the Delta version each was taken from (by table name)."""

    folder: Path
    paths: Mapping[str, Path]
    versions: Mapping[str, int]


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in UTC."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def take_snapshots(lake_root: LakeRoot, run_dir: Path, versions: Mapping[str, int] | None = None) -> Snapshots:
    """Snapshot every source table, at `versions` (by table name) or its newest version. Taken once per version.

    Raises:
        DataError: a table is missing, lacks a column, holds a null, or has two rows of one key and stamp.
    """
    folder = run_dir.resolve() / "feature_store" / "snapshots"
    paths: dict[str, Path] = {}
    taken: dict[str, int] = {}
    for name, table in SOURCES.items():
        delta = _open(table, lake_root, (versions or {}).get(table.name))
        taken[table.name] = delta.version()
        paths[name] = folder / name / f"v{delta.version()}.parquet"
        if not paths[name].exists():
            _export(delta, load_catalogue().view(name), paths[name])
    return Snapshots(folder, paths, taken)


def _open(table: Table, lake_root: LakeRoot, version: int | None) -> DeltaTable:
    try:
        return open_delta(table, lake_root, version)
    except DeltaError as exc:
        raise DataError(
            f"Table {table.layer}.{table.name} cannot be read ({exc}).", "Run the gold jobs of batch_processing first."
        ) from exc


def _export(delta: DeltaTable, view: View, path: Path) -> None:
    connection = connect()
    connection.register("source", delta.to_pyarrow_dataset())
    try:
        connection.execute(f"CREATE TEMP TABLE snapshot AS {_select(view)}")
    except duckdb.Error as exc:
        raise DataError(f"{view.name} does not fit its catalogue entry ({exc}).", "Rebuild the gold table.") from exc
    _check(connection, view)
    write_parquet(connection, "SELECT * FROM snapshot", path)
    log.info("snapshot_taken", view=view.name, path=str(path), version=delta.version())


def _select(view: View) -> str:
    columns = [f"{key}::BIGINT AS {key}" for key in view.keys]
    columns += [
        f"{COMPUTED.get(f.column, f.column)}::{SQL_TYPES[f.dtype]} AS {view.feature_name(f.column)}"
        for f in view.features
    ]
    stamps = STAMPS.get(view.name, ("event_timestamp", "created_timestamp"))
    columns += [f"{stamp}::TIMESTAMP AS {name}" for stamp, name in zip(stamps, STAMP_NAMES, strict=True)]
    order = ", ".join((*view.keys, *STAMP_NAMES))
    return f"SELECT {', '.join(columns)} FROM source ORDER BY {order}"  # noqa: S608 (catalogue names)


STAMP_NAMES = ("event_timestamp", "created_timestamp")
# A planned promotion is known when its week starts; a co-purchase snapshot from its own midnight on.
STAMPS: Mapping[str, tuple[str, str]] = {
    "product_promotion": ("week_start", "week_start"),
    "product_copurchase": ("event_timestamp", "event_timestamp"),
}
COMPUTED: Mapping[str, str] = {"promo_week_start_day": "date_diff('day', DATE '1970-01-01', week_start)"}


def _check(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    columns = [row[0] for row in connection.execute("DESCRIBE snapshot").fetchall()]
    counts = ", ".join(f"count(*) - count({name})" for name in columns)
    nulls = connection.execute(f"SELECT {counts} FROM snapshot").fetchall()[0]  # noqa: S608
    missing = [name for name, count in zip(columns, nulls, strict=True) if count]
    if missing:
        raise DataError(f"{view.name} holds nulls in {', '.join(missing)}.", "Rebuild the gold table.")
    rank = ("copurchase_rank",) if view.name == "product_copurchase" else ()
    key = ", ".join((*view.keys, *rank, "event_timestamp", "created_timestamp"))
    twice = connection.execute(f"SELECT {key} FROM snapshot GROUP BY {key} HAVING count(*) > 1 LIMIT 1").fetchall()  # noqa: S608
    if twice:
        raise DataError(f"{view.name} holds two rows of {twice[0]}.", "Rebuild the gold table.")


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write a query's rows to a parquet file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    connection.execute(f"COPY ({query}) TO '{partial}' (FORMAT parquet, COMPRESSION zstd)")
    partial.replace(path)
