"""Struct-of-arrays views of the gold feature tables, as the ranker reads them.

State on change, decay on read: a pair or product row is written on a day of purchase and holds sums that never need
a rewrite; `decay` moves the decayed ones to the day of the query. Products are dense indices into one sorted id array.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

HALF_LIVES_DAYS: tuple[int, int, int] = (7, 30, 90)


def decay(value: FloatArray, age_days: IntArray, half_life_days: float) -> FloatArray:
    """Decayed sums moved `age_days` forward: `value * 2 ** (-age / half_life)`."""
    moved: FloatArray = value * np.exp2(age_days * (-1.0 / half_life_days))
    return moved


@dataclass(frozen=True, slots=True)
class PairState:
    """One customer's pairs, the newest row of each product before the query day.

    Shape: every array is `(pairs,)`, ordered by `product_index`. Units: epoch days, cents, baskets.
    Source: gold `customer_product_features`; decayed sums are normalised to `last_day`.
    """

    product_index: IntArray
    first_day: IntArray
    last_day: IntArray
    orders_count: IntArray
    days_count: IntArray
    quantity_sum: IntArray
    spend_cents_sum: IntArray
    discounted_orders_count: IntArray
    orders_decayed_7d: FloatArray
    orders_decayed_30d: FloatArray
    orders_decayed_90d: FloatArray
    customer_orders_before_first: IntArray
    customer_orders_at_last: IntArray

    def __len__(self) -> int:
        return len(self.product_index)


@dataclass(frozen=True, slots=True)
class CustomerState:
    """The newest daily snapshot of one customer before the query day.

    Units: epoch days, baskets, lines, cents. Source: gold `customer_features`.
    """

    first_order_day: int
    last_order_day: int
    orders_count: int
    order_days_count: int
    lines_count: int
    orders_7d: int
    orders_28d: int
    orders_91d: int
    spend_cents_28d: int
    spend_cents_91d: int
    lines_91d: int
    discounted_lines_91d: int


@dataclass(frozen=True, slots=True)
class ProductTable:
    """All products, the newest row of each before the query day, held in memory by the ranker.

    Shape: every array is `(products,)`, ordered by product id; an unsold product has `orders_count` 0.
    Units: epoch days, cents, baskets; promotion shares in 0..1 for the week of the query day.
    Source: gold `product_features`; decayed sums are normalised to `last_day`.
    """

    product_id: IntArray
    first_day: IntArray
    last_day: IntArray
    orders_count: IntArray
    orders_decayed_7d: FloatArray
    orders_decayed_30d: FloatArray
    orders_decayed_90d: FloatArray
    buyers_count: IntArray
    repeat_buyers_count: IntArray
    quantity_sum: IntArray
    spend_cents_sum: IntArray
    discounted_orders_count: IntArray
    department_code: IntArray
    category_code: IntArray
    type_code: IntArray
    brand_private_code: IntArray
    promo_mailer_share: Float32Array
    promo_display_share: Float32Array


@dataclass(frozen=True, slots=True)
class CopurchaseTable:
    """Top neighbours of every product, over the compact list of products that have neighbours.

    Shape: `product_index` `(n,)` ascending; `position` `(products,)` points into it, -1 outside; `neighbour` and
    `score` `(n, neighbours)`, where neighbours are places in `product_index` and n with score 0 pads short rows.
    Source: gold `product_copurchase`.
    """

    product_index: IntArray
    position: IntArray
    neighbour: IntArray
    score: Float32Array

    @classmethod
    def from_wide(cls, neighbour_index: IntArray, score: Float32Array) -> CopurchaseTable:
        """The compact table from one over all products.

        Shape: both `(products, neighbours)`; neighbours are product indices, -1 pads.
        """
        known = neighbour_index >= 0
        kept = np.union1d(np.flatnonzero(known.any(axis=1)), neighbour_index[known])
        position = np.full(len(neighbour_index), -1, dtype=np.int64)
        position[kept] = np.arange(len(kept))
        rows = neighbour_index[kept]
        return cls(
            product_index=kept,
            position=position,
            neighbour=np.where(rows >= 0, position[rows], len(kept)),
            score=np.where(rows >= 0, score[kept], np.float32(0.0)),
        )
