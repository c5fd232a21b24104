"""States recomputed from silver alone: the reference that served features and lists are held against.

Nothing of gold, Feast or Redis is read. The best-seller lists come from the model's own bundle, as they are part of it.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
from deltalake import DeltaTable

from data_lake.catalog import PRODUCT, PROMOTION
from ml_modeling.core.bundle import PopularityLists
from ml_modeling.core.replay import ProductDimension, build_copurchase, build_histories
from ml_modeling.core.states import Float32Array, IntArray
from ml_modeling.core.training_set import PointInTime, Snapshot
from ml_modeling.order_lines import read_order_lines
from production_ops.proofs.parity import Reference
from shared_utils.time_utils import day_start

_CODES = (("department", "department_code"), ("product_category", "category_code"), ("product_type", "type_code"))
_MONDAY_OFFSET = 4  # 1970-01-05 was a Monday
_STORES = 112  # stores in the year's promotion plan


def reference_from_silver(lake_root: Path, as_of_day: int, popularity: PopularityLists) -> Reference:
    """Everything that was known at the midnight opening `as_of_day`, from basket lines and the two dimensions."""
    silver = read_order_lines(lake_root)
    known = silver.known_at(as_of_day)
    dimension = _dimension(lake_root, silver.product_ids, as_of_day)
    pairs, products, customers = build_histories(known, len(silver.customer_ids), dimension)
    monday = as_of_day - (as_of_day - _MONDAY_OFFSET) % 7
    snapshot = Snapshot(
        build_copurchase(silver.lines, len(silver.product_ids), monday), popularity.to_table(silver.product_ids)
    )
    source = PointInTime(pairs, products, customers, {monday: snapshot})
    return Reference(source, silver.customer_ids, silver.product_ids)


def _dimension(lake_root: Path, product_ids: IntArray, as_of_day: int) -> ProductDimension:
    with duckdb.connect() as con:
        con.register("dimension", DeltaTable(PRODUCT.path(lake_root)).to_pyarrow_dataset())
        con.register("promotion", DeltaTable(PROMOTION.path(lake_root)).to_pyarrow_dataset())
        con.register("wanted", {"product_id": product_ids})
        codes = _codes(con)
        monday = as_of_day - (as_of_day - _MONDAY_OFFSET) % 7
        mailer, display = _promotion_shares(con, product_ids, monday)
    return ProductDimension(
        product_id=product_ids,
        **codes,
        promo_first_week_day=monday,
        promo_mailer_share=mailer,
        promo_display_share=display,
    )


def _codes(con: duckdb.DuckDBPyConnection) -> dict[str, IntArray]:
    ranks = ", ".join(f"dense_rank() OVER (ORDER BY coalesce({text}, '')) AS {code}" for text, code in _CODES)
    columns = ", ".join(f"coalesce({code}, 0)::BIGINT AS {code}" for _, code in _CODES)
    rows = con.execute(
        f"WITH coded AS (SELECT product_id, (brand = 'Private')::BIGINT AS brand_private_code, {ranks} FROM dimension) "  # noqa: S608
        f"SELECT {columns}, coalesce(brand_private_code, 0)::BIGINT AS brand_private_code "
        "FROM wanted LEFT JOIN coded USING (product_id) ORDER BY wanted.product_id"
    ).fetchnumpy()
    return {name: np.asarray(values) for name, values in rows.items()}


def _promotion_shares(
    con: duckdb.DuckDBPyConnection, product_ids: IntArray, monday: int
) -> tuple[Float32Array, Float32Array]:
    rows = con.execute(
        "SELECT product_id, count(*) FILTER (mailer_location <> '0') AS mailed, "
        "count(*) FILTER (display_location <> '0') AS displayed, "
        "FROM promotion SEMI JOIN wanted USING (product_id) WHERE week_start = ? GROUP BY product_id",
        [day_start(monday).date()],
    ).fetchnumpy()
    at = np.searchsorted(product_ids, np.asarray(rows["product_id"]))
    mailer, display = (np.zeros((1, len(product_ids)), dtype=np.float32) for _ in range(2))
    mailer[0, at], display[0, at] = np.asarray(rows["mailed"]) / _STORES, np.asarray(rows["displayed"]) / _STORES
    return mailer, display
