"""The basket memory: all pairs of a customer as parallel arrays, so that one key read gives them all.

Reads: snapshots of customer_features and customer_product_features. Writes: one parquet file per as-of instant.
Grain: one row per customer; its stamps are those of the customer's own snapshot row, so that both parts agree.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from feature_store.core.catalogue import View, load_catalogue
from feature_store.core.stamps import us_of
from feature_store.snapshots import Snapshots, connect, write_parquet

MEMORY = "customer_basket_memory"


def write_basket_memory(snapshots: Snapshots, as_of: datetime) -> Path:
    """The memory of every customer as known at `as_of`; written once per (table versions, as-of)."""
    pairs = snapshots.paths["customer_product_features"]
    customers = snapshots.paths["customer_features"]
    path = snapshots.folder / MEMORY / f"{customers.stem}-{pairs.stem}-{us_of(as_of)}.parquet"
    if not path.exists():
        connection = connect()
        connection.register("memory", _as_arrays(connection.sql(_query(customers, pairs, as_of)).to_arrow_table()))
        write_parquet(connection, "SELECT * FROM memory", path)
    return path


def latest_known(path: Path, keys: tuple[str, ...], as_of: datetime) -> str:
    """SQL: the newest row of each key, by event time and then created time, of those known at `as_of`."""
    instant = f"make_timestamp({us_of(as_of)})"
    return f"""
        SELECT * FROM read_parquet('{path}')
        WHERE event_timestamp <= {instant} AND created_timestamp <= {instant}
        QUALIFY row_number() OVER (
            PARTITION BY {", ".join(keys)} ORDER BY event_timestamp DESC, created_timestamp DESC) = 1
    """  # noqa: S608 (paths and keys of the catalogue)


def _query(customers: Path, pairs: Path, as_of: datetime) -> str:
    catalogue = load_catalogue()
    memory, pair = catalogue.view(MEMORY), catalogue.view("customer_product_features")
    columns = ", ".join(f"{_source(pair, column)} AS {memory.feature_name(column)}" for column in memory.columns)
    return f"""
        WITH pair AS ({latest_known(pairs, pair.keys, as_of)}),
             customer AS ({latest_known(customers, ("customer_id",), as_of)})
        SELECT customer_id, {columns}, customer.event_timestamp AS event_timestamp,
               greatest(pair.created_timestamp, customer.created_timestamp) AS created_timestamp
        FROM pair JOIN customer USING (customer_id) ORDER BY customer_id, product_id
    """  # noqa: S608


def _source(pair: View, column: str) -> str:
    return column if column == "product_id" else pair.feature_name(column)


def _as_arrays(rows: pa.Table) -> pa.Table:
    """Rows ordered by customer, folded into one row a customer. DuckDB's ordered `list()` sorts every column anew."""
    customers = rows["customer_id"].to_numpy()
    first = np.flatnonzero(np.diff(customers, prepend=-1))
    offsets = pa.array(np.append(first, len(customers)).astype(np.int32))
    created = rows["created_timestamp"].to_numpy().astype(np.int64)
    newest = np.maximum.reduceat(created, first) if len(first) else created
    arrays = {
        name: pa.ListArray.from_arrays(offsets, rows[name].combine_chunks())
        for name in load_catalogue().view(MEMORY).feature_names
    }
    return pa.table(
        {
            "customer_id": customers[first],
            **arrays,
            "event_timestamp": rows["event_timestamp"].take(first),
            "created_timestamp": pa.array(newest, pa.timestamp("us")),
        }
    )
