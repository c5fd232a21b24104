"""Stock of the assortment through the live weeks: an opening count, then sales by shop day and deliveries.

Writes: `shop.inventory.v1`, key product_id. Grain: one `count` a product at live start, then at most one `sale` and one
`delivery` a product and shop day. What was sold in the data was in stock; between sales some products run out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from contracts.topics_names import INVENTORY
from data_sources.arrays import Bools, Floats, Ints
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import Events, arrival_after, build, rfc3339, rng_of, uuid_of

ASSORTMENT_WEEKS = 13
ASSORTMENT_MIN_ORDERS = 5
_DAY_MS = 86_400_000
# Fuel is sold by the thousandth of a gallon: above this a line counts as one unit of stock.
_MAX_UNITS = 100
_SHORT_SHARE = 0.08
_COVER_DAYS = 6.0
_REORDER_DAYS = 1.5
_COUNT_SPREAD_MS = 60_000
_DELIVERY_SPREAD_MS = 3_600_000


@dataclass(frozen=True)
class _Demand:
    """Units sold and the time of the last sale (epoch ms), each of shape products x days."""

    units: Ints
    last_ms: Ints


@dataclass(frozen=True)
class _Changes:
    """Stock changes of one day and kind. Grain: one entry a product."""

    product: Ints
    event_ms: Ints
    change: Ints
    on_hand: Ints
    reason: str


def assortment(recent: Lines) -> Ints:
    """Sorted ids of the products with at least 5 orders among `recent`, the last 13 weeks of history."""
    products, orders = np.unique(recent.product_id, return_counts=True)
    return products[orders >= ASSORTMENT_MIN_ORDERS]


def inventory_feed(products: Ints, recent: Lines, live: Lines, calendar: Calendar, seed: int) -> Events:
    """All stock events of `products`: counts first, then day by day deliveries and sales."""
    demand = _demand(products, live, calendar)
    daily = _orders_per_day(products, recent)
    changes = list(_simulate(products, demand, daily, calendar, rng_of(seed, "inventory", "stock")))
    event_ms = np.concatenate([c.event_ms for c in changes])
    keys = np.concatenate([c.product for c in changes])
    payloads = [payload for c in changes for payload in _payloads(c, seed)]
    arrival_ms = arrival_after(event_ms, rng_of(seed, "inventory", "arrival"), low_ms=500, high_ms=5000)
    return build(INVENTORY, payloads, keys, event_ms, arrival_ms, (f"stock:{p['event_id']}" for p in payloads))


def _demand(products: Ints, live: Lines, calendar: Calendar) -> _Demand:
    start_ms = int(calendar.live_start.timestamp()) * 1000
    days = (calendar.live_end - calendar.live_start).days
    known = np.isin(live.product_id, products) & (live.quantity > 0)
    row = np.searchsorted(products, live.product_id[known])
    day = (live.event_ms[known] - start_ms) // _DAY_MS
    quantity = live.quantity[known]
    units = np.zeros((len(products), days), dtype=np.int64)
    last_ms = np.zeros_like(units)
    np.add.at(units, (row, day), np.where(quantity > _MAX_UNITS, 1, quantity))
    np.maximum.at(last_ms, (row, day), live.event_ms[known])
    return _Demand(units, last_ms)


def _orders_per_day(products: Ints, recent: Lines) -> Floats:
    row = np.searchsorted(products, recent.product_id[np.isin(recent.product_id, products)])
    return np.bincount(row, minlength=len(products)) / (ASSORTMENT_WEEKS * 7)


def _simulate(
    products: Ints,
    demand: _Demand,
    daily: Floats,
    calendar: Calendar,
    rng: np.random.Generator,
) -> Iterator[_Changes]:
    days = demand.units.shape[1]
    start_ms = int(calendar.live_start.timestamp()) * 1000
    short = rng.random(len(products)) < _SHORT_SHARE
    target = np.ceil(daily * _COVER_DAYS).astype(np.int64) + rng.integers(2, 12, len(products))
    reorder = np.ceil(daily * _REORDER_DAYS).astype(np.int64)
    on_hand = np.where(short, _sold_through(demand.units, rng.integers(1, days + 1, len(products))), target)
    on_hand = np.maximum(on_hand, demand.units[:, 0])
    yield _Changes(products, start_ms + rng.integers(0, _COUNT_SPREAD_MS, len(products)), on_hand * 0, on_hand, "count")
    for day in range(days):
        sold = demand.units[:, day]
        if day > 0:
            delivered = _delivery(on_hand, sold, target, reorder, short)
            on_hand = on_hand + delivered
            at_ms = start_ms + day * _DAY_MS + rng.integers(0, _DELIVERY_SPREAD_MS, len(products))
            # A sale of the day is stamped with its last line, which may fall before an ordinary delivery time.
            at_ms = np.where(sold > 0, np.minimum(at_ms, demand.last_ms[:, day] - 1000), at_ms)
            yield _some(delivered > 0, products, at_ms, delivered, on_hand, "delivery")
        on_hand = on_hand - sold
        yield _some(sold > 0, products, demand.last_ms[:, day], -sold, on_hand, "sale")


def _sold_through(units: Ints, days: Ints) -> Ints:
    """Units sold in the first `days` days: a stock of that size is gone by then."""
    return np.take_along_axis(np.cumsum(units, axis=1), days[:, None] - 1, axis=1)[:, 0]


def _delivery(on_hand: Ints, sold: Ints, target: Ints, reorder: Ints, short: Bools) -> Ints:
    """Units delivered this morning: short products only get what the day needs, others are filled up."""
    needed = np.maximum(sold - on_hand, 0)
    refill = np.where((on_hand <= reorder) | (needed > 0), np.maximum(target - on_hand, needed), 0)
    return np.where(short, needed, refill)


def _some(rows: Bools, product: Ints, event_ms: Ints, change: Ints, on_hand: Ints, reason: str) -> _Changes:
    return _Changes(product[rows], event_ms[rows], change[rows], on_hand[rows], reason)


def _payloads(changes: _Changes, seed: int) -> Iterator[dict[str, object]]:
    columns = (changes.product, changes.event_ms, changes.on_hand, changes.change)
    rows = zip(*(column.tolist() for column in columns), rfc3339(changes.event_ms), strict=True)
    for product, event_ms, on_hand, change, time in rows:
        yield {
            "event_id": uuid_of(f"{seed}:stock:{product}:{event_ms}:{changes.reason}"),
            "event_time": time,
            "product_id": product,
            "on_hand": on_hand,
            "change": change,
            "reason": changes.reason,
        }
