"""What is usual for a household: a pair beside its customer's, its category's and its type's other products."""

from __future__ import annotations

import numpy as np

from ml_modeling.core.candidates import repeat_scores, top_n
from ml_modeling.core.states import CustomerState, FloatArray, IntArray, PairState, ProductTable

HABIT_FEATURES = (
    "pair_orders_trend_7d_ratio",
    "pair_orders_trend_30d_ratio",
    "pair_orders_trend_90d_ratio",
    "pair_orders_share_smoothed",
    "pair_repeat_share_smoothed",
    "pair_orders_share_faded",
    "pair_interval_days_smoothed",
    "pair_overdue_ratio_smoothed",
    "pair_due_per_day",
    "pair_orders_30d_of_best",
    "pair_orders_90d_of_best",
    "pair_orders_30d_of_all",
    "pair_repeat_score_of_tenth",
    "pair_price_ratio",
    "pair_discounted_lift",
    "pair_recency_over_category_days",
    "pair_recency_over_type_days",
    "pair_category_rank",
    "pair_type_rank",
    "pair_last_day_products_count",
    "pair_last_day_products_ratio",
)
NEVER_DAYS = 999.0
"""Recency of what never happened; above any real recency of a one-year history."""
USUAL_INTERVAL_DAYS = 30.0
"""What a pair's interval is taken to be before it is known; it weighs as much as `PRIOR_INTERVALS` real ones."""
PRIOR_INTERVALS = 2.0


def habit_columns(
    as_of_day: int,
    pairs: PairState,
    customer: CustomerState,
    products: ProductTable,
    position: IntArray,
    decayed: tuple[FloatArray, ...],
) -> list[FloatArray]:
    """A pair beside what is usual: shrunk rates, and its place among the customer's and the group's other products.

    Most pairs have few purchases, and trees cannot shrink a ratio of two small counts; these columns do it for them.
    Shape: one array `(candidates,)` a name of `HABIT_FEATURES`; -1 where the product was never bought. `position`
    points into `pairs` (-1: not in it); `decayed` are its order counts of a week, a month and a season at `as_of_day`.
    """
    bought = np.flatnonzero(position >= 0)
    columns = np.full((len(HABIT_FEATURES), len(position)), -1.0)
    if not len(bought):
        return list(columns)
    # What compares pairs needs all of them; the rest is computed for the candidates alone, a fifth of the work.
    age = np.maximum(as_of_day - pairs.last_day, 0)
    category, kind = products.category_code[pairs.product_index], products.type_code[pairs.product_index]
    score, on_day = repeat_scores(as_of_day, pairs), np.bincount(age)
    days = age.astype(np.float64)
    newest_category, newest_kind = newest_of(category, days), newest_of(kind, days)
    category_rank, kind_rank = _rank_in_group(category, decayed[2]), _rank_in_group(kind, decayed[2])

    at = position[bought]
    own, recency, together = pairs.product_index[at], days[at], on_day[age[at]]
    week, month, season = (values[at] for values in decayed)
    orders = pairs.orders_count[at].astype(np.float64)
    chances = (customer.orders_count - pairs.customer_orders_before_first[at]).astype(np.float64)
    passed = (customer.orders_count - pairs.customer_orders_at_last[at]).astype(np.float64)
    share = (orders + 0.5) / (chances + 3.0)
    sold = np.maximum(products.orders_count[own], 1)
    again = 1.0 - products.buyers_count[own] / sold
    span = (pairs.last_day[at] - pairs.first_day[at]).astype(np.float64)
    interval = (span + PRIOR_INTERVALS * USUAL_INTERVAL_DAYS) / (pairs.days_count[at] - 1 + PRIOR_INTERVALS)
    overdue = recency / interval
    price = pairs.spend_cents_sum[at] / np.maximum(pairs.quantity_sum[at], 1)
    usual_price = products.spend_cents_sum[own] / np.maximum(products.quantity_sum[own], 1)
    columns[:, bought] = (
        week / month,
        month / season,
        season / orders,
        share,
        (orders - 1.0 + 1.6 * again) / (chances + 4.0),
        share * 0.9**passed,
        interval,
        overdue,
        (1.0 - np.exp(-2.0 * overdue)) / interval,
        month / decayed[1].max(),
        season / decayed[2].max(),
        month / decayed[1].sum(),
        score[at] / score[top_n(score, 10)[-1]],
        price / np.maximum(usual_price, 1.0),
        pairs.discounted_orders_count[at] / orders - products.discounted_orders_count[own] / sold,
        recency - newest_category[category[at]],
        recency - newest_kind[kind[at]],
        category_rank[at],
        kind_rank[at],
        together,
        together / max(mean_lines(customer), 1.0),
    )
    return list(columns)


def newest_of(code: IntArray, recency: FloatArray, codes: int = 0) -> FloatArray:
    """Least recency of each code, `NEVER_DAYS` without one. Shape: `(max(codes, largest code + 1),)`."""
    least = np.full(max(int(code.max(initial=0)) + 1, codes), NEVER_DAYS)
    np.minimum.at(least, code, recency)
    return least


def _rank_in_group(code: IntArray, score: FloatArray) -> FloatArray:
    """Place from 0 by descending score among the rows of the same code. Shape: `(rows,)`."""
    order = np.lexsort((-score, code))
    rank = np.empty(len(code))
    rank[order] = np.arange(len(code)) - np.searchsorted(code[order], code[order])
    return rank


def mean_lines(customer: CustomerState) -> float:
    """Mean lines of the customer's baskets so far."""
    return customer.lines_count / max(customer.orders_count, 1)
