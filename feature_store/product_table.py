"""Builds the online product table from the snapshots: state, codes, this week's promotion, co-purchase neighbours.

Goes to Redis as one blob past Feast: at 1,500 rows a second of protobuf conversion, Feast's own path would take the
better part of a minute for products that serving wants in one piece anyway.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import numpy as np

from feature_store.basket_memory import latest_known
from feature_store.core.catalogue import load_catalogue
from feature_store.core.packing import Array, Stamp
from feature_store.core.product_table import pack_product_table, product_columns
from feature_store.core.stamps import US_PER_DAY, day_of, us_of
from feature_store.snapshots import Snapshots, connect
from shared_utils.errors import DataError


def build_product_table(snapshots: Snapshots, as_of: datetime) -> bytes:
    """The packed table of every product sold and known by `as_of`; promotions are of the week of that day.

    Raises:
        DataError: nothing was sold by then.
    """
    connection = connect()
    columns = _columns(connection, snapshots, as_of)
    if not len(columns["product_id"]):
        raise DataError(f"No product was sold before {as_of:%Y-%m-%d}.", "Choose an --as-of within the data.")
    event_us, created_us = (int(columns.pop(name).max()) for name in ("event_us", "created_us"))
    midnight = us_of(as_of) // US_PER_DAY * US_PER_DAY
    return pack_product_table(
        Stamp(min(event_us, midnight), created_us), columns, _neighbours(connection, snapshots, as_of)
    )


def _columns(connection: duckdb.DuckDBPyConnection, snapshots: Snapshots, as_of: datetime) -> dict[str, Array]:
    day = day_of(us_of(as_of))
    catalogue = load_catalogue()
    promotion = set(catalogue.view("product_promotion").columns)
    selected = ", ".join(
        f"coalesce(product_{name}, 0::FLOAT) AS {name}" if name in promotion else f"product_{name} AS {name}"
        for name in product_columns()
        if name != "product_id"
    )
    query = f"""
        WITH product AS ({latest_known(snapshots.paths["product_features"], ("product_id",), as_of)}),
             promotion AS (SELECT * EXCLUDE (event_timestamp, created_timestamp)
                           FROM ({latest_known(snapshots.paths["product_promotion"], ("product_id",), as_of)})
                           WHERE {day} - product_promo_week_start_day BETWEEN 0 AND 6)
        SELECT product_id, {selected},
               epoch_us(event_timestamp) AS event_us, epoch_us(created_timestamp) AS created_us
        FROM product LEFT JOIN promotion USING (product_id) ORDER BY product_id
    """  # noqa: S608
    return {name: np.asarray(values) for name, values in connection.execute(query).fetchnumpy().items()}


def _neighbours(connection: duckdb.DuckDBPyConnection, snapshots: Snapshots, as_of: datetime) -> dict[str, Array]:
    path, instant = snapshots.paths["product_copurchase"], f"make_timestamp({us_of(as_of)})"
    query = f"""
        WITH known AS (SELECT * FROM read_parquet('{path}')
                       WHERE event_timestamp <= {instant} AND created_timestamp <= {instant})
        SELECT product_id, copurchase_neighbour_product_id AS neighbour_product_id, copurchase_score AS score FROM known
        WHERE copurchase_snapshot_day = (SELECT max(copurchase_snapshot_day) FROM known)
        ORDER BY product_id, copurchase_rank
    """  # noqa: S608
    return {name: np.asarray(values) for name, values in connection.execute(query).fetchnumpy().items()}
