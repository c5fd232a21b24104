"""Point-in-time states from the gold tables, for training: what was known at the midnight that opens each day.

The rows come from the feature store's pinned snapshots through the ASOF view of event time and created time
(`feature_store.point_in_time`), so a repaired row is invisible before its repair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from feature_store.core.catalogue import View, load_catalogue
from feature_store.point_in_time import register_effective
from feature_store.snapshots import Snapshots, connect
from ml_modeling.core.replay import NEVER, PairHistory, ProductDimension, ProductHistory
from ml_modeling.core.states import CopurchaseTable, CustomerState, FloatArray, IntArray, PairState
from shared_utils.errors import DataError

Columns = dict[str, npt.NDArray[Any]]
_DAY_US = 86_400_000_000
_CODES = ("department_code", "category_code", "type_code", "brand_private_code")


@dataclass(frozen=True, slots=True)
class SnapshotCustomerHistory:
    """Daily snapshots of every customer, by customer and day. Shape: `(rows,)`; `start` cuts them by customer."""

    start: IntArray
    visible_from: IntArray
    columns: Columns

    def at(self, customer_index: int, as_of_day: int) -> CustomerState:
        """The newest snapshot visible at the midnight opening `as_of_day`.

        Raises:
            DataError: the customer had none by then.
        """
        begin, end = self.start[customer_index], self.start[customer_index + 1]
        row = begin + np.searchsorted(self.visible_from[begin:end], as_of_day, side="right") - 1
        if row < begin:
            raise DataError(
                f"Customer {customer_index} has no snapshot before day {as_of_day}.", "Rebuild the gold tables."
            )
        return CustomerState(**{name: int(self.columns[name][row]) for name in CustomerState.__slots__})


@dataclass(frozen=True, slots=True)
class GoldSource:
    """All histories of the gold tables, and the ids behind their indices (ascending)."""

    customer_ids: IntArray
    product_ids: IntArray
    pairs: PairHistory
    products: ProductHistory
    customers: SnapshotCustomerHistory
    copurchase: dict[int, CopurchaseTable]


def load_gold(snapshots: Snapshots) -> GoldSource:
    """Read the snapshots into arrays.

    Raises:
        DataError: a table is empty.
    """
    with connect() as con:
        customer = _effective(con, snapshots, "customer_features")
        product = _effective(con, snapshots, "product_features")
        pair = _effective(con, snapshots, "customer_product_features")
        if not len(pair["product_id"]):
            raise DataError("The gold feature tables are empty.", "Run the gold jobs of batch_processing first.")
        customer_ids, product_ids = np.unique(customer["customer_id"]), np.unique(product["product_id"])
        return GoldSource(
            customer_ids=customer_ids,
            product_ids=product_ids,
            pairs=_pairs(pair, customer_ids, product_ids),
            products=_products(product, _dimension(con, snapshots, product, product_ids)),
            customers=SnapshotCustomerHistory(
                start=np.searchsorted(customer["customer_id"], np.append(customer_ids, np.iinfo(np.int64).max)),
                visible_from=customer["from_day"],
                columns=customer,
            ),
            copurchase=_copurchase(con, snapshots, product_ids),
        )


def _effective(con: duckdb.DuckDBPyConnection, snapshots: Snapshots, name: str) -> Columns:
    """Rows of a view in key and visibility order, columns under their gold names, visibility in whole days."""
    view: View = load_catalogue().view(name)
    register_effective(con, view, snapshots.paths[name])
    columns = ", ".join(f"{view.feature_name(column)} AS {column}" for column in view.columns)
    # Rounded up: a row that becomes known a minute after midnight is first read at the next one. DuckDB's // cuts
    # towards zero, so the sum stays positive.
    from_day = f"(epoch_us(visible_from) + {_DAY_US} - 1) // {_DAY_US} AS from_day"
    query = f"SELECT {', '.join(view.keys)}, {columns}, {from_day} FROM {name}"  # noqa: S608 (names of the catalogue)
    rows = {key: np.asarray(values) for key, values in con.execute(query).fetchnumpy().items()}
    last = np.logical_or.reduce([np.diff(rows[key], append=-1) != 0 for key in view.keys])
    return {**rows, "until_day": np.where(last, NEVER, np.append(rows["from_day"][1:], NEVER))}


def _pairs(rows: Columns, customer_ids: IntArray, product_ids: IntArray) -> PairHistory:
    customer_index = np.searchsorted(customer_ids, rows["customer_id"])
    state: dict[str, npt.NDArray[Any]] = {"product_index": np.searchsorted(product_ids, rows["product_id"])}
    for name in PairState.__slots__[1:]:
        state[name] = rows[name].astype(np.float64 if "decayed" in name else np.int64)
    return PairHistory(
        customer_start=np.searchsorted(customer_index, np.arange(len(customer_ids) + 1)),
        visible_from=rows["from_day"],
        visible_until=rows["until_day"],
        rows=PairState(**state),
    )


def _products(rows: Columns, dimension: ProductDimension) -> ProductHistory:
    kept: dict[str, IntArray | FloatArray] = {}
    for name in load_catalogue().view("product_features").columns:
        if name not in (*_CODES, "day"):
            kept[name] = rows[name].astype(np.float64) if "decayed" in name else rows[name].astype(np.int64)
    return ProductHistory(
        product_index=np.searchsorted(dimension.product_id, rows["product_id"]),
        visible_from=rows["from_day"],
        visible_until=rows["until_day"],
        columns=kept,
        dimension=dimension,
    )


def _dimension(
    con: duckdb.DuckDBPyConnection, snapshots: Snapshots, rows: Columns, product_ids: IntArray
) -> ProductDimension:
    _, first = np.unique(rows["product_id"], return_index=True)
    week_start, index, mailer, display = _promotions(con, snapshots, product_ids)
    first_week = int(week_start.min(initial=0))
    week = (week_start - first_week) // 7
    shape = (int(week.max(initial=0)) + 1, len(product_ids))
    mailer_share, display_share = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    mailer_share[week, index], display_share[week, index] = mailer, display
    return ProductDimension(
        product_id=product_ids,
        **{name: rows[name][first].astype(np.int64) for name in _CODES},
        promo_first_week_day=first_week,
        promo_mailer_share=mailer_share,
        promo_display_share=display_share,
    )


def _promotions(
    con: duckdb.DuckDBPyConnection, snapshots: Snapshots, product_ids: IntArray
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    view = load_catalogue().view("product_promotion")
    week, mailer, display = (
        view.feature_name(column) for column in ("promo_week_start_day", "promo_mailer_share", "promo_display_share")
    )
    con.register("sold", {"product_id": product_ids})
    rows = con.execute(
        f"SELECT product_id, {week}::BIGINT AS week_start, {mailer} AS mailer, {display} AS display "  # noqa: S608
        f"FROM read_parquet('{snapshots.paths['product_promotion']}') SEMI JOIN sold USING (product_id)"
    ).fetchnumpy()
    return (
        np.asarray(rows["week_start"]),
        np.searchsorted(product_ids, np.asarray(rows["product_id"])),
        np.asarray(rows["mailer"]),
        np.asarray(rows["display"]),
    )


def _copurchase(
    con: duckdb.DuckDBPyConnection, snapshots: Snapshots, product_ids: IntArray
) -> dict[int, CopurchaseTable]:
    view = load_catalogue().view("product_copurchase")
    columns = ", ".join(f"{view.feature_name(column)} AS {column}" for column in view.columns)
    path = snapshots.paths["product_copurchase"]
    found = con.execute(f"SELECT product_id, {columns} FROM read_parquet('{path}')").fetchnumpy()  # noqa: S608
    rows = {name: np.asarray(values) for name, values in found.items()}
    day = np.asarray(rows["snapshot_day"]).astype(np.int64)
    return {int(of): _neighbours(rows, day == of, product_ids) for of in np.unique(day)}


def _neighbours(
    rows: Columns, chosen: Sequence[bool] | npt.NDArray[np.bool_], product_ids: IntArray
) -> CopurchaseTable:
    place = np.asarray(rows["rank"])[chosen].astype(np.int64) - 1
    product = np.searchsorted(product_ids, np.asarray(rows["product_id"])[chosen])
    width = int(place.max(initial=0)) + 1
    index = np.full((len(product_ids), width), -1, dtype=np.int64)
    score = np.zeros((len(product_ids), width), dtype=np.float32)
    index[product, place] = np.searchsorted(product_ids, np.asarray(rows["neighbour_product_id"])[chosen])
    score[product, place] = np.asarray(rows["score"])[chosen]
    return CopurchaseTable.from_wide(index, score)
