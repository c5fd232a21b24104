"""The gold states computed from raw order lines: the reference that the gold jobs are checked against.

`PairHistory`, `ProductHistory` and `CustomerHistory` hold every row the gold tables would hold, and `at(day)` reads
them point in time: a row is read while `visible_from <= day < visible_until`, days counted at their opening midnight.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ml_modeling.core.states import (
    HALF_LIVES_DAYS,
    CopurchaseTable,
    CustomerState,
    Float32Array,
    FloatArray,
    IntArray,
    PairState,
    ProductTable,
)

NEVER = 1_000_000
"""A day after every other one: where a visibility that has not ended ends."""


@dataclass(frozen=True, slots=True)
class OrderLines:
    """Raw order lines, one a (basket, product). Shape: `(lines,)` each. Units: epoch days, cents."""

    customer_index: IntArray
    product_index: IntArray
    basket_index: IntArray
    day: IntArray
    quantity: IntArray
    spend_cents: IntArray
    discounted: npt.NDArray[np.bool_]

    def where(self, mask: npt.NDArray[np.bool_]) -> OrderLines:
        """The lines where `mask` holds."""
        return OrderLines(
            self.customer_index[mask],
            self.product_index[mask],
            self.basket_index[mask],
            self.day[mask],
            self.quantity[mask],
            self.spend_cents[mask],
            self.discounted[mask],
        )


@dataclass(frozen=True, slots=True)
class ProductDimension:
    """Product attributes as small codes. Shape: `(products,)`, ordered by product id; promo is `(weeks, products)`.

    Row 0 of the promotions is the week that opens on `promo_first_week_day`, a Monday.
    """

    product_id: IntArray
    department_code: IntArray
    category_code: IntArray
    type_code: IntArray
    brand_private_code: IntArray
    promo_first_week_day: int
    promo_mailer_share: Float32Array
    promo_display_share: Float32Array


@dataclass(frozen=True, slots=True)
class PairHistory:
    """Every pair state row, ordered by customer, product, day; `customer_start` cuts the rows by customer."""

    customer_start: IntArray
    visible_from: IntArray
    visible_until: IntArray
    rows: PairState

    def at(self, customer_index: int, as_of_day: int) -> PairState:
        """The customer's pairs before `as_of_day`."""
        begin, end = self.customer_start[customer_index], self.customer_start[customer_index + 1]
        rows = self.rows
        live = (self.visible_from[begin:end] <= as_of_day) & (self.visible_until[begin:end] > as_of_day)
        index = begin + np.flatnonzero(live)
        return PairState(*(getattr(rows, name)[index] for name in PairState.__slots__))


@dataclass(frozen=True, slots=True)
class ProductHistory:
    """Every product state row, ordered by product, day."""

    product_index: IntArray
    visible_from: IntArray
    visible_until: IntArray
    columns: dict[str, npt.NDArray[np.int64] | FloatArray]
    dimension: ProductDimension

    def at(self, as_of_day: int) -> ProductTable:
        """All products before `as_of_day`, with the promotions planned for its week."""
        live = np.flatnonzero((self.visible_from <= as_of_day) & (self.visible_until > as_of_day))
        target = self.product_index[live]
        size = len(self.dimension.product_id)
        filled: dict[str, npt.NDArray[Any]] = {}
        for name, column in self.columns.items():
            filled[name] = np.zeros(size, dtype=column.dtype)
            filled[name][target] = column[live]
        planned = self.dimension.promo_mailer_share
        week = min(max((as_of_day - self.dimension.promo_first_week_day) // 7, 0), len(planned) - 1)
        return ProductTable(
            product_id=self.dimension.product_id,
            department_code=self.dimension.department_code,
            category_code=self.dimension.category_code,
            type_code=self.dimension.type_code,
            brand_private_code=self.dimension.brand_private_code,
            promo_mailer_share=planned[week],
            promo_display_share=self.dimension.promo_display_share[week],
            **filled,
        )


@dataclass(frozen=True, slots=True)
class CustomerHistory:
    """Cumulative day totals of every customer.

    Shape: `(customers, days + 1)`; column k counts days before `first_calendar_day + k`.
    """

    first_calendar_day: int
    orders: IntArray
    order_days: IntArray
    lines: IntArray
    discounted_lines: IntArray
    spend_cents: IntArray
    first_order_day: IntArray
    last_order_day: IntArray

    def at(self, customer_index: int, as_of_day: int) -> CustomerState:
        """The customer's snapshot at the close of `as_of_day - 1`."""
        last = self.orders.shape[1] - 1
        end = min(max(as_of_day - self.first_calendar_day, 0), last)

        def window(total: IntArray, days: int) -> int:
            begin = min(max(as_of_day - days - self.first_calendar_day, 0), last)
            return int(total[customer_index, end] - total[customer_index, begin])

        return CustomerState(
            first_order_day=int(self.first_order_day[customer_index]),
            last_order_day=int(self.last_order_day[customer_index, end]),
            orders_count=int(self.orders[customer_index, end]),
            order_days_count=int(self.order_days[customer_index, end]),
            lines_count=int(self.lines[customer_index, end]),
            orders_7d=window(self.orders, 7),
            orders_28d=window(self.orders, 28),
            orders_91d=window(self.orders, 91),
            spend_cents_28d=window(self.spend_cents, 28),
            spend_cents_91d=window(self.spend_cents, 91),
            lines_91d=window(self.lines, 91),
            discounted_lines_91d=window(self.discounted_lines, 91),
        )


def decayed_counts(rank: IntArray, day: IntArray, count: FloatArray, half_life_days: float) -> FloatArray:
    """Decayed running counts inside groups, as of each row's own day.

    Shape: `(rows,)`, grouped and ordered by day; `rank` is the row's place in its group, from 0. A row of rank r
    needs only the row before it, so all rows of one rank move together.
    """
    decayed = count.astype(np.float64)
    order = np.argsort(rank, kind="stable")
    bounds = np.searchsorted(rank[order], np.arange(1, int(rank.max(initial=0)) + 2))
    for begin, end in pairwise(bounds):
        rows = order[begin:end]
        age = day[rows] - day[rows - 1]
        decayed[rows] += decayed[rows - 1] * np.exp2(age * (-1.0 / half_life_days))
    return decayed


def _group_starts(key: IntArray) -> IntArray:
    first: npt.NDArray[np.bool_] = np.ones(len(key), dtype=bool)
    first[1:] = key[1:] != key[:-1]
    return np.flatnonzero(first)


def _running(values: IntArray, starts: IntArray, sizes: IntArray) -> IntArray:
    total = np.cumsum(values)
    before = total[starts] - values[starts]
    running: IntArray = total - np.repeat(before, sizes)
    return running


def _visible_until(day: IntArray, starts: IntArray) -> IntArray:
    following = np.full(len(day), NEVER, dtype=np.int64)
    following[:-1] = day[1:] + 1
    following[starts[1:] - 1] = NEVER
    return following


def build_customer_history(lines: OrderLines, customers: int) -> CustomerHistory:
    """Cumulative day totals of every customer from raw lines."""
    first, days = int(lines.day.min()), int(np.ptp(lines.day)) + 1
    cell = lines.customer_index * days + (lines.day - first)
    _, basket_line = np.unique(lines.basket_index, return_index=True)

    def total(index: IntArray, weight: IntArray | None = None) -> IntArray:
        daily = np.bincount(index, weights=weight, minlength=customers * days).reshape(customers, days)
        out = np.zeros((customers, days + 1), dtype=np.int64)
        out[:, 1:] = np.cumsum(daily, axis=1)
        return out

    orders = total(cell[basket_line])
    order_days = total(np.unique(cell))
    bought = np.diff(orders, axis=1) > 0
    last = np.zeros((customers, days + 1), dtype=np.int64)
    np.maximum.accumulate(np.where(bought, first + np.arange(days), 0), axis=1, out=last[:, 1:])
    return CustomerHistory(
        first_calendar_day=first,
        orders=orders,
        order_days=order_days,
        lines=total(cell),
        discounted_lines=total(cell[lines.discounted]),
        spend_cents=total(cell, lines.spend_cents),
        first_order_day=first + bought.argmax(axis=1),
        last_order_day=last,
    )


def build_histories(
    lines: OrderLines, customers: int, dimension: ProductDimension
) -> tuple[PairHistory, ProductHistory, CustomerHistory]:
    """All state rows of the three gold tables from raw lines."""
    customer = build_customer_history(lines, customers)
    products = len(dimension.product_id)
    pair = lines.customer_index * products + lines.product_index
    order = np.lexsort((lines.day, pair))
    pair, day = pair[order], lines.day[order]
    starts = _group_starts(pair * 100_000 + day)
    pair_day, day = pair[starts], day[starts]

    def daily(values: IntArray) -> IntArray:
        return np.add.reduceat(values[order], starts)

    orders = np.diff(np.append(starts, len(pair)))
    discounted = daily(lines.discounted.astype(np.int64))
    quantity, spend = daily(lines.quantity), daily(lines.spend_cents)
    group = _group_starts(pair_day)
    sizes = np.diff(np.append(group, len(pair_day)))
    rank = np.arange(len(pair_day)) - np.repeat(group, sizes)
    first_day = np.repeat(day[group], sizes)
    customer_index, product_index = np.divmod(pair_day, products)
    offset = customer.first_calendar_day
    decayed = [decayed_counts(rank, day, orders.astype(np.float64), h) for h in HALF_LIVES_DAYS]
    pairs = PairHistory(
        customer_start=np.searchsorted(customer_index, np.arange(customers + 1)),
        visible_from=day + 1,
        visible_until=_visible_until(day, group),
        rows=PairState(
            product_index=product_index,
            first_day=first_day,
            last_day=day,
            orders_count=_running(orders, group, sizes),
            days_count=rank + 1,
            quantity_sum=_running(quantity, group, sizes),
            spend_cents_sum=_running(spend, group, sizes),
            discounted_orders_count=_running(discounted, group, sizes),
            orders_decayed_7d=decayed[0],
            orders_decayed_30d=decayed[1],
            orders_decayed_90d=decayed[2],
            customer_orders_before_first=customer.orders[customer_index, first_day - offset],
            customer_orders_at_last=customer.orders[customer_index, day - offset + 1],
        ),
    )
    product = _product_history(product_index, day, rank, orders, quantity, spend, discounted, dimension)
    return pairs, product, customer


def _product_history(
    product_index: IntArray,
    day: IntArray,
    rank: IntArray,
    orders: IntArray,
    quantity: IntArray,
    spend: IntArray,
    discounted: IntArray,
    dimension: ProductDimension,
) -> ProductHistory:
    order = np.lexsort((day, product_index))
    starts = _group_starts(product_index[order] * 100_000 + day[order])
    product, row_day = product_index[order][starts], day[order][starts]
    group = _group_starts(product)
    sizes = np.diff(np.append(group, len(product)))
    place = np.arange(len(product)) - np.repeat(group, sizes)

    def daily(values: IntArray) -> IntArray:
        return np.add.reduceat(values[order], starts)

    def running(values: IntArray) -> IntArray:
        return _running(daily(values), group, sizes)

    count = daily(orders).astype(np.float64)
    columns: dict[str, npt.NDArray[np.int64] | FloatArray] = {
        "first_day": np.repeat(row_day[group], sizes),
        "last_day": row_day,
        "orders_count": running(orders),
        "buyers_count": running((rank == 0).astype(np.int64)),
        "repeat_buyers_count": running((rank == 1).astype(np.int64)),
        "quantity_sum": running(quantity),
        "spend_cents_sum": running(spend),
        "discounted_orders_count": running(discounted),
    }
    for half_life in HALF_LIVES_DAYS:
        columns[f"orders_decayed_{half_life}d"] = decayed_counts(place, row_day, count, half_life)
    return ProductHistory(product, row_day + 1, _visible_until(row_day, group), columns, dimension)


def build_copurchase(
    lines: OrderLines,
    products: int,
    snapshot_day: int,
    *,
    neighbours: int = 20,
    min_orders: int = 20,
    min_pairs: int = 3,
) -> CopurchaseTable:
    """Top neighbours by cosine over baskets before `snapshot_day`.

    Score: `n_ij / sqrt(n_i * n_j)`; products with fewer than `min_orders` baskets and pairs with fewer than
    `min_pairs` joint baskets stay out; ties go to the smaller product.
    """
    past = lines.day < snapshot_day
    product, basket = lines.product_index[past], lines.basket_index[past]
    count = np.bincount(product, minlength=products)
    kept = np.flatnonzero(count >= min_orders)
    dense = np.full(products, -1, dtype=np.int64)
    dense[kept] = np.arange(len(kept))
    common = dense[product] >= 0
    incidence = sparse.csr_matrix(
        (np.ones(int(common.sum()), dtype=np.float32), (basket[common], dense[product[common]])),
        shape=(int(basket.max(initial=0)) + 1, len(kept)),
    )
    joint = (incidence.T @ incidence).tocoo()
    row, column, pairs = joint.row.astype(np.int64), joint.col.astype(np.int64), joint.data
    keep = (row != column) & (pairs >= min_pairs)
    row, column, pairs = row[keep], column[keep], pairs[keep]
    score = pairs / np.sqrt(count[kept[row]] * count[kept[column]])
    order = np.lexsort((column, -score, row))
    row, column, score = row[order], column[order], score[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    top = place < neighbours
    neighbour = np.full((len(kept), neighbours), len(kept), dtype=np.int64)
    neighbour_score = np.zeros((len(kept), neighbours), dtype=np.float32)
    neighbour[row[top], place[top]] = column[top]
    neighbour_score[row[top], place[top]] = score[top]
    return CopurchaseTable(kept, dense, neighbour, neighbour_score)
