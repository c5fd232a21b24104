"""Basket lines of silver as the arrays that splits, baselines and popularity read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data_lake.catalog import TRANSACTION_LINE
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from feature_store.snapshots import connect
from ml_modeling.core.replay import OrderLines
from ml_modeling.core.states import IntArray


@dataclass(frozen=True, slots=True)
class SilverLines:
    """Order lines with the ids behind their indices (ascending) and the Delta version they were read at.

    `known_from_day`: the first day at whose opening midnight the line had arrived. Shape: `(lines,)`.
    """

    lines: OrderLines
    known_from_day: IntArray
    customer_ids: IntArray
    product_ids: IntArray
    basket_ids: IntArray
    version: int

    def known_at(self, day: int) -> OrderLines:
        """The lines of earlier days that had arrived by the midnight opening `day`."""
        return self.lines.where((self.lines.day < day) & (self.known_from_day <= day))


def read_order_lines(
    lake_root: LakeRoot,
    customer_ids: IntArray | None = None,
    product_ids: IntArray | None = None,
    *,
    version: int | None = None,
) -> SilverLines:
    """Every basket line of silver, at its newest Delta version unless `version` is given. Baskets are in time order.

    `customer_ids` and `product_ids` fix the index space, which must hold every id; by default it is the table's own.
    """
    table = open_delta(TRANSACTION_LINE, lake_root, version)
    with connect() as con:
        con.register("line", table.to_pyarrow_dataset())
        columns = con.execute(_QUERY).fetchnumpy()
    values = {name: np.asarray(column) for name, column in columns.items()}
    customers = np.unique(values["customer_id"]) if customer_ids is None else customer_ids
    products = np.unique(values["product_id"]) if product_ids is None else product_ids
    lines = OrderLines(
        customer_index=np.searchsorted(customers, values["customer_id"]),
        product_index=np.searchsorted(products, values["product_id"]),
        basket_index=values["basket_number"] - 1,
        day=values["day"],
        quantity=values["quantity"],
        spend_cents=values["sales_cents"],
        discounted=values["discounted"].astype(bool),
    )
    return SilverLines(lines, values["known_from_day"], customers, products, _basket_ids(values), table.version())


def _basket_ids(values: dict[str, npt.NDArray[Any]]) -> IntArray:
    ids = np.empty(int(values["basket_number"].max(initial=0)), dtype=np.int64)
    ids[values["basket_number"] - 1] = values["basket_id"]
    return ids


_QUERY = """
SELECT customer_id, product_id, basket_id,
       dense_rank() OVER (ORDER BY event_time, basket_id) AS basket_number,
       epoch_us(event_time) // 86400000000 AS day,
       (epoch_us(arrival_time) + 86399999999) // 86400000000 AS known_from_day,
       quantity::BIGINT AS quantity, sales_cents,
       retail_discount_cents + coupon_discount_cents + coupon_match_discount_cents > 0 AS discounted
FROM line ORDER BY basket_number, product_id
"""
