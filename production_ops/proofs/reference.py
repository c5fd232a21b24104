"""States recomputed from silver alone: the reference that served features and lists are held against.

Nothing of gold, Feast or Redis is read. The best-seller lists of a served model come from its own bundle, as they are
part of it; without a bundle they are counted from silver.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from data_lake.catalog import PRODUCT, PROMOTION
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from ml_modeling.core.bundle import PopularityLists
from ml_modeling.core.replay import (
    CustomerHistory,
    PairHistory,
    ProductDimension,
    ProductHistory,
    build_copurchase,
    build_histories,
)
from ml_modeling.core.states import CustomerState, Float32Array, IntArray
from ml_modeling.core.training_set import PointInTime, Snapshot
from ml_modeling.order_lines import SilverLines, read_order_lines
from ml_modeling.training_scripts.dataset import popularity_at
from production_ops.proofs.parity import Reference
from shared_utils.time_utils import day_start

_CODES = (("department", "department_code"), ("product_category", "category_code"), ("product_type", "type_code"))
_MONDAY_OFFSET = 4  # 1970-01-05 was a Monday
_STORES = 112  # stores in the year's promotion plan


def reference_from_silver(lake_root: LakeRoot, as_of_day: int, popularity: PopularityLists | None = None) -> Reference:
    """Everything that was known at the midnight opening `as_of_day`, from basket lines and the two dimensions."""
    return reference_of(read_order_lines(lake_root), lake_root, as_of_day, popularity)


def reference_of(
    silver: SilverLines, lake_root: LakeRoot, as_of_day: int, popularity: PopularityLists | None = None
) -> Reference:
    """The same from basket lines that were read already."""
    dimension = _dimension(lake_root, silver.product_ids, as_of_day)
    pairs, products, customers = _known_states(silver, dimension, as_of_day)
    monday = as_of_day - (as_of_day - _MONDAY_OFFSET) % 7
    best_sellers = (
        popularity_at(customers, silver, as_of_day) if popularity is None else popularity.to_table(silver.product_ids)
    )
    snapshot = Snapshot(build_copurchase(silver.lines, len(silver.product_ids), monday), best_sellers)
    source = PointInTime(pairs, products, customers, {monday: snapshot})
    return Reference(source, silver.customer_ids, silver.product_ids)


@dataclass(frozen=True, slots=True)
class _KnownCustomers:
    """Customer days as they were known: none from the customer's first day that was still incomplete."""

    history: CustomerHistory
    known_until: IntArray

    def at(self, customer_index: int, as_of_day: int) -> CustomerState:
        return self.history.at(customer_index, min(as_of_day, int(self.known_until[customer_index])))


def _known_states(
    silver: SilverLines, dimension: ProductDimension, as_of_day: int
) -> tuple[PairHistory, ProductHistory, _KnownCustomers]:
    """The states that hold at the midnight: a day counts for a customer (a product) once its last line has arrived.

    A gold row covers a day and all days before it, so it is created when the last of their lines arrives. A basket at
    23:59 that comes in a minute later keeps its customer's and its products' rows of that day out of the night's run.
    """
    before = silver.lines.day < as_of_day
    lines, late = silver.lines.where(before), silver.known_from_day[before] > as_of_day
    customer_until = np.full(len(silver.customer_ids), as_of_day)
    product_until = np.full(len(silver.product_ids), as_of_day)
    np.minimum.at(customer_until, lines.customer_index[late], lines.day[late])
    np.minimum.at(product_until, lines.product_index[late], lines.day[late])
    customers = len(silver.customer_ids)
    pairs, products, history = build_histories(
        lines.where(lines.day < customer_until[lines.customer_index]), customers, dimension
    )
    if late.any():
        complete = lines.where(lines.day < product_until[lines.product_index])
        _, products, _ = build_histories(complete, customers, dimension)
    return pairs, products, _KnownCustomers(history, customer_until)


def _dimension(lake_root: LakeRoot, product_ids: IntArray, as_of_day: int) -> ProductDimension:
    with duckdb.connect() as con:
        con.register("dimension", open_delta(PRODUCT, lake_root).to_pyarrow_dataset())
        con.register("promotion", open_delta(PROMOTION, lake_root).to_pyarrow_dataset())
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
