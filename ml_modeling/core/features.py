"""The ranker's input matrix for one customer, the same function in training and in serving."""

from __future__ import annotations

import numpy as np

from ml_modeling.core.candidates import CandidateSet
from ml_modeling.core.habits import HABIT_FEATURES, NEVER_DAYS, habit_columns, mean_lines, newest_of
from ml_modeling.core.states import CustomerState, Float32Array, FloatArray, IntArray, PairState, ProductTable, decay

PAIR_FEATURES = (
    "pair_orders_count",
    "pair_orders_decayed_7d",
    "pair_orders_decayed_30d",
    "pair_orders_decayed_90d",
    "pair_recency_days",
    "pair_tenure_days",
    "pair_interval_days_mean",
    "pair_overdue_ratio",
    "pair_orders_share",
    "pair_recency_orders",
    "pair_quantity_mean",
    "pair_discounted_ratio",
    "pair_orders_per_day_mean",
    "pair_orders_share_30d",
    "pair_orders_share_90d",
    "pair_orders_rank",
    "pair_orders_90d_rank",
    "pair_recency_rank",
)
GROUP_FEATURES = (
    "customer_category_orders_30d",
    "customer_category_orders_90d",
    "customer_category_recency_days",
    "customer_category_products_count",
    "pair_category_share_90d",
    "customer_type_orders_90d",
    "customer_type_recency_days",
    "pair_type_share_90d",
    "customer_department_share_90d",
    "customer_category_overdue_ratio",
    "customer_category_trend_ratio",
    "customer_type_overdue_ratio",
    "customer_type_trend_ratio",
    "customer_type_orders_7d",
    "customer_type_products_count",
)
PRODUCT_FEATURES = (
    "product_orders_decayed_7d",
    "product_orders_decayed_30d",
    "product_orders_decayed_90d",
    "product_orders_trend_ratio",
    "product_buyers_count",
    "product_repeat_buyers_ratio",
    "product_orders_per_buyer",
    "product_price_cents_mean",
    "product_discounted_ratio",
    "product_recency_days",
    "product_promo_mailer_share",
    "product_promo_display_share",
    "product_category_code",
    "product_brand_private_code",
    "product_age_days",
)
CUSTOMER_FEATURES = (
    "customer_recency_days",
    "customer_orders_28d",
    "customer_orders_91d",
    "customer_spend_cents_28d",
    "customer_basket_lines_mean",
    "customer_basket_lines_91d",
    "customer_interval_days_mean",
    "customer_discount_ratio_91d",
    "customer_products_91d",
    "customer_repeat_ratio",
    "customer_tenure_days",
    "customer_orders_7d",
    "customer_last_day_products_count",
    "customer_products_7d",
    "customer_products_14d",
    "customer_large_day_recency_days",
)
CANDIDATE_FEATURES = (
    "candidate_repeat_score",
    "candidate_repeat_rank",
    "candidate_copurchase_score",
    "candidate_popularity_score",
)
FEATURE_NAMES: tuple[str, ...] = (
    PAIR_FEATURES + HABIT_FEATURES + GROUP_FEATURES + PRODUCT_FEATURES + CUSTOMER_FEATURES + CANDIDATE_FEATURES
)
LARGE_DAY_SHARE = 0.7
"""A shopping day is a large one from this share of the customer's mean basket lines on."""


def _ratio(numerator: FloatArray, denominator: FloatArray, otherwise: float = 0.0) -> FloatArray:
    safe = np.where(denominator > 0, denominator, 1.0)
    result: FloatArray = np.where(denominator > 0, numerator / safe, otherwise)
    return result


def _rank(score: FloatArray) -> FloatArray:
    rank = np.empty(len(score))
    rank[np.argsort(-score, kind="stable")] = np.arange(len(score))
    return rank


def _pair_columns(
    as_of_day: int, pairs: PairState, customer: CustomerState, position: IntArray, decayed: tuple[FloatArray, ...]
) -> list[FloatArray]:
    recency = (as_of_day - pairs.last_day).astype(np.float64)
    tenure = (as_of_day - pairs.first_day).astype(np.float64)
    span = (pairs.last_day - pairs.first_day).astype(np.float64)
    orders = pairs.orders_count.astype(np.float64)
    interval = _ratio(span, (pairs.days_count - 1).astype(np.float64), NEVER_DAYS)
    columns: list[tuple[FloatArray, float]] = [
        (orders, 0.0),
        (decayed[0], 0.0),
        (decayed[1], 0.0),
        (decayed[2], 0.0),
        (recency, NEVER_DAYS),
        (tenure, NEVER_DAYS),
        (interval, NEVER_DAYS),
        (recency / np.maximum(interval, 1.0), 0.0),
        (orders / np.maximum(customer.orders_count - pairs.customer_orders_before_first, 1), 0.0),
        ((customer.orders_count - pairs.customer_orders_at_last).astype(np.float64), NEVER_DAYS),
        (pairs.quantity_sum / orders, 0.0),
        (pairs.discounted_orders_count / orders, -1.0),
        (orders / np.maximum(tenure, 1.0), 0.0),
        (decayed[1] / max(customer.orders_28d, 1), 0.0),
        (decayed[2] / max(customer.orders_91d, 1), 0.0),
        (_rank(orders + 0.1 * decayed[2]), NEVER_DAYS),
        (_rank(decayed[2]), NEVER_DAYS),
        (_rank(-recency), NEVER_DAYS),
    ]
    bought = position >= 0
    if not len(pairs):
        return [np.full(len(position), missing) for _, missing in columns]
    return [np.where(bought, values[position], missing) for values, missing in columns]


def _group_columns(
    as_of_day: int,
    pairs: PairState,
    customer: CustomerState,
    products: ProductTable,
    candidate: IntArray,
    position: IntArray,
    decayed: tuple[FloatArray, ...],
) -> list[FloatArray]:
    recency = (as_of_day - pairs.last_day).astype(np.float64)
    week, month, season = decayed
    own = np.where(position >= 0, season[position], 0.0) if len(pairs) else np.zeros(len(candidate))
    visit_days = _visit_interval(customer)

    def sums(code: IntArray, weight: FloatArray | None) -> FloatArray:
        own_code, wanted = code[pairs.product_index], code[candidate]
        size = int(max(own_code.max(initial=0), wanted.max(initial=0))) + 1
        return np.bincount(own_code, weights=weight, minlength=size)[wanted].astype(np.float64)

    def newest(code: IntArray, days: FloatArray) -> FloatArray:
        wanted = code[candidate]
        return newest_of(code[pairs.product_index], days, int(wanted.max(initial=0)) + 1)[wanted]

    def overdue(code: IntArray, recent: FloatArray) -> FloatArray:
        orders = sums(code, pairs.orders_count.astype(np.float64))
        oldest = -newest(code, (pairs.first_day - as_of_day).astype(np.float64))
        interval = (oldest - recent + visit_days) / np.maximum(orders, 1.0)
        return np.where(orders > 0, recent / np.maximum(interval, 1.0), -1.0)

    category, kind, department = products.category_code, products.type_code, products.department_code
    category_90d, type_90d = sums(category, season), sums(kind, season)
    category_recency, type_recency = newest(category, recency), newest(kind, recency)
    type_7d = sums(kind, week)
    total = max(float(season.sum()), 1e-9)
    return [
        sums(category, month),
        category_90d,
        category_recency,
        sums(category, None),
        own / np.maximum(category_90d, 1e-9),
        type_90d,
        type_recency,
        own / np.maximum(type_90d, 1e-9),
        sums(department, season) / total,
        overdue(category, category_recency),
        _ratio(sums(category, week), category_90d),
        overdue(kind, type_recency),
        _ratio(type_7d, type_90d),
        type_7d,
        sums(kind, None),
    ]


def _product_columns(as_of_day: int, products: ProductTable, candidate: IntArray) -> list[FloatArray]:
    age = as_of_day - products.last_day[candidate]
    week = decay(products.orders_decayed_7d[candidate], age, 7.0)
    month = decay(products.orders_decayed_30d[candidate], age, 30.0)
    season = decay(products.orders_decayed_90d[candidate], age, 90.0)
    orders = products.orders_count[candidate].astype(np.float64)
    buyers = products.buyers_count[candidate].astype(np.float64)
    return [
        week,
        month,
        season,
        _ratio(week, month),
        buyers,
        _ratio(products.repeat_buyers_count[candidate].astype(np.float64), buyers),
        _ratio(orders, buyers),
        _ratio(
            products.spend_cents_sum[candidate].astype(np.float64), products.quantity_sum[candidate].astype(np.float64)
        ),
        _ratio(products.discounted_orders_count[candidate].astype(np.float64), orders),
        np.where(orders > 0, age, NEVER_DAYS).astype(np.float64),
        products.promo_mailer_share[candidate].astype(np.float64),
        products.promo_display_share[candidate].astype(np.float64),
        products.category_code[candidate].astype(np.float64),
        products.brand_private_code[candidate].astype(np.float64),
        np.where(orders > 0, as_of_day - products.first_day[candidate], -1).astype(np.float64),
    ]


def _visit_interval(customer: CustomerState) -> float:
    return (customer.last_order_day - customer.first_order_day) / max(customer.order_days_count - 1, 1)


def _customer_values(as_of_day: int, pairs: PairState, customer: CustomerState) -> list[float]:
    recency = np.maximum(as_of_day - pairs.last_day, 0)
    # Products last bought on each day stand for the day's size: the days' own lines are not kept.
    on_day = np.bincount(recency, minlength=1)
    large = np.flatnonzero(on_day >= max(LARGE_DAY_SHARE * mean_lines(customer), 1.0))
    return [
        float(as_of_day - customer.last_order_day),
        float(customer.orders_28d),
        float(customer.orders_91d),
        float(customer.spend_cents_28d),
        mean_lines(customer),
        customer.lines_91d / max(customer.orders_91d, 1),
        _visit_interval(customer),
        customer.discounted_lines_91d / max(customer.lines_91d, 1),
        float(np.count_nonzero(pairs.last_day >= as_of_day - 91)),
        float(np.count_nonzero(pairs.days_count > 1)) / max(len(pairs), 1),
        float(as_of_day - customer.first_order_day),
        float(customer.orders_7d),
        float(on_day[on_day > 0][0]) if len(pairs) else 0.0,
        float(np.count_nonzero(recency <= 7)),
        float(np.count_nonzero(recency <= 14)),
        float(large[0]) if len(large) else NEVER_DAYS,
    ]


def ranker_matrix(
    as_of_day: int, pairs: PairState, customer: CustomerState, products: ProductTable, candidates: CandidateSet
) -> Float32Array:
    """Features of every candidate of one customer, as of the morning of `as_of_day`.

    Shape: `(candidates, len(FEATURE_NAMES))`, float32, columns in `FEATURE_NAMES` order. Units: days, baskets, cents.
    """
    age = as_of_day - pairs.last_day
    decayed = (
        decay(pairs.orders_decayed_7d, age, 7.0),
        decay(pairs.orders_decayed_30d, age, 30.0),
        decay(pairs.orders_decayed_90d, age, 90.0),
    )
    index, position = candidates.product_index, candidates.pair_position
    per_row = (
        _pair_columns(as_of_day, pairs, customer, position, decayed)
        + habit_columns(as_of_day, pairs, customer, products, position, decayed)
        + _group_columns(as_of_day, pairs, customer, products, index, position, decayed)
        + _product_columns(as_of_day, products, index)
    )
    matrix = np.empty((len(candidates), len(FEATURE_NAMES)), dtype=np.float32)
    for column, values in enumerate(per_row):
        matrix[:, column] = values
    shared = _customer_values(as_of_day, pairs, customer)
    begin = len(per_row)
    matrix[:, begin : begin + len(shared)] = shared
    begin += len(shared)
    matrix[:, begin] = candidates.repeat_score
    matrix[:, begin + 1] = np.where(position >= 0, candidates.repeat_rank, NEVER_DAYS)
    matrix[:, begin + 2] = candidates.copurchase_score
    matrix[:, begin + 3] = candidates.popularity_score
    return matrix
