"""Small random worlds of order lines for the model tests."""

from __future__ import annotations

import numpy as np

from ml_modeling.core.candidates import PopularityTable, build_popularity
from ml_modeling.core.replay import OrderLines, ProductDimension, build_copurchase, build_histories
from ml_modeling.core.training_set import PointInTime, Snapshot

FIRST_DAY = 17200


def make_lines(seed: int, *, customers: int = 6, products: int = 12, baskets: int = 60, days: int = 50) -> OrderLines:
    """Random baskets of 1 to 5 products; customers prefer products near their own number, so repeats exist."""
    rng = np.random.default_rng(seed)
    basket_day = np.sort(rng.integers(0, days, baskets)) + FIRST_DAY
    owner = rng.integers(0, customers, baskets)
    chosen = [
        np.unique((owner[b] * 2 + rng.geometric(0.3, size=rng.integers(1, 6))) % products) for b in range(baskets)
    ]
    size = np.array([len(items) for items in chosen])
    basket = np.repeat(np.arange(baskets), size)
    lines = len(basket)
    return OrderLines(
        customer_index=owner[basket],
        product_index=np.concatenate(chosen),
        basket_index=basket,
        day=basket_day[basket],
        quantity=rng.integers(1, 4, lines),
        spend_cents=rng.integers(50, 900, lines),
        discounted=rng.random(lines) < 0.3,
    )


def make_dimension(products: int = 12) -> ProductDimension:
    """Products in small categories, with a promotion share that differs by product and week."""
    index = np.arange(products)
    share = ((index[None, :] + np.arange(53)[:, None]) % 5 / 5).astype(np.float32)
    return ProductDimension(index * 10 + 100, index // 6, index // 3, index // 2, index % 2, 17161, share, share / 2)


def make_popularity(lines: OrderLines, products: int) -> PopularityTable:
    """Popularity of every line under four segments that all see the same lines."""
    baskets = len(np.unique(lines.basket_index))
    segment = np.repeat(np.arange(4), len(lines.day))
    return build_popularity(segment, np.tile(lines.product_index, 4), np.full(4, baskets), products, limit=5)


def make_world(seed: int, *, customers: int = 6, products: int = 12, baskets: int = 60, days: int = 50) -> PointInTime:
    """Histories and one snapshot of a random world."""
    lines = make_lines(seed, customers=customers, products=products, baskets=baskets, days=days)
    snapshot_day = FIRST_DAY + days
    table = build_copurchase(lines, products, snapshot_day, neighbours=4, min_orders=2, min_pairs=1)
    pairs, product, customer = build_histories(lines, customers, make_dimension(products))
    return PointInTime(pairs, product, customer, {snapshot_day: Snapshot(table, make_popularity(lines, products))})
