"""Candidate products for one customer: repeats, co-purchase neighbours, the segment's best sellers, the session's own.

Pure numpy, under half a millisecond a customer; ties always go to the smaller product index, which is the smaller id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np

from ml_modeling.core.states import CopurchaseTable, CustomerState, Float32Array, FloatArray, IntArray, PairState, decay


class CandidateSource(IntFlag):
    """Which generators proposed a candidate."""

    REPEAT = 1
    COPURCHASE = 2
    POPULARITY = 4
    SESSION = 8


@dataclass(frozen=True, slots=True)
class CandidateLimits:
    """How many products each generator may propose, and how many pairs feed the co-purchase score."""

    repeat: int = 100
    copurchase: int = 30
    popularity: int = 30
    copurchase_pairs: int = 120


DEFAULT_LIMITS = CandidateLimits()
NO_PRODUCTS: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class PopularityTable:
    """Best sellers of each segment.

    Shape: `(segments, n)`, best first. Score: share of the segment's baskets of the last 28 days.
    """

    product_index: IntArray
    score: Float32Array


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """Candidates of one customer, ordered by product index. Shape: `(candidates,)`.

    `pair_position` points into the customer's `PairState`, -1 where the product was never bought.
    """

    product_index: IntArray
    source: IntArray
    pair_position: IntArray
    repeat_score: FloatArray
    repeat_rank: IntArray
    copurchase_score: FloatArray
    popularity_score: FloatArray

    def __len__(self) -> int:
        return len(self.product_index)


SEGMENT_BASKET_LINES = np.array([4.0, 8.0, 14.0])
"""Upper bounds of mean basket lines of the segments 0..2; segment 3 is above."""


def segment_of(customer: CustomerState) -> int:
    """Segment by mean basket size: quick trips and large shops have different best sellers."""
    mean_lines = customer.lines_count / max(customer.orders_count, 1)
    return int(np.searchsorted(SEGMENT_BASKET_LINES, mean_lines))


def repeat_scores(as_of_day: int, pairs: PairState) -> FloatArray:
    """Expected-repeat score of each pair: decayed order counts of a month, a season and a week, read at `as_of_day`."""
    age = as_of_day - pairs.last_day
    score: FloatArray = (
        decay(pairs.orders_decayed_30d, age, 30.0)
        + 0.5 * decay(pairs.orders_decayed_90d, age, 90.0)
        + 0.2 * decay(pairs.orders_decayed_7d, age, 7.0)
    )
    return score


def top_n(score: FloatArray, n: int) -> IntArray:
    """Positions of the `n` largest scores, largest first, ties to the smaller position."""
    if len(score) > n > 0:
        bound = np.partition(score, len(score) - n)[len(score) - n]
        pool = np.flatnonzero(score >= bound)
    else:
        pool = np.arange(len(score))
    best: IntArray = pool[np.argsort(-score[pool], kind="stable")][: max(n, 0)]
    return best


def copurchase_scores(pairs: PairState, weight: FloatArray, table: CopurchaseTable, limit: int) -> FloatArray:
    """Sum of neighbour scores over the customer's strongest pairs, weighted by `weight`.

    Shape: `(len(table.product_index) + 1,)`, places as in the table; the last one is always 0 and serves as "unknown".
    """
    strongest = top_n(weight, limit)
    place = table.position[pairs.product_index[strongest]]
    strongest, place = strongest[place >= 0], place[place >= 0]
    contribution = (table.score[place] * weight[strongest][:, None]).ravel()
    total = np.bincount(table.neighbour[place].ravel(), weights=contribution, minlength=len(table.product_index) + 1)
    return total.astype(np.float64, copy=False)


def generate_candidates(
    as_of_day: int,
    pairs: PairState,
    customer: CustomerState,
    copurchase: CopurchaseTable,
    popularity: PopularityTable,
    limits: CandidateLimits = DEFAULT_LIMITS,
    session: IntArray = NO_PRODUCTS,
) -> CandidateSet:
    """Union of the three generators, and of what a `session` proposes, with every generator's score for each."""
    repeat = repeat_scores(as_of_day, pairs)
    joint = copurchase_scores(pairs, np.minimum(repeat, 3.0), copurchase, limits.copurchase_pairs)
    order = top_n(repeat, len(repeat))
    rank = np.empty(len(repeat), dtype=np.int64)
    rank[order] = np.arange(len(repeat))
    again = pairs.product_index[order[: limits.repeat]]

    fresh = joint.copy()
    fresh[copurchase.position[pairs.product_index]] = 0.0
    beside = top_n(fresh, limits.copurchase)
    beside = copurchase.product_index[beside[fresh[beside] > 0.0]]

    segment = segment_of(customer)
    popular = popularity.product_index[segment]
    listed = popular[: limits.popularity]

    by_product = np.argsort(popular)
    product, inverse = np.unique(np.concatenate((again, beside, listed, session)), return_inverse=True)
    codes = np.repeat(
        [int(source) for source in CandidateSource],
        [len(again), len(beside), len(listed), len(session)],
    )
    source = np.bincount(inverse, weights=codes, minlength=len(product)).astype(np.int64)
    position = np.searchsorted(pairs.product_index, product)
    if len(pairs):
        position = np.where(pairs.product_index[np.minimum(position, len(pairs) - 1)] == product, position, -1)
        position = np.where(position >= len(pairs), -1, position)
    else:
        position = np.full(len(product), -1, dtype=np.int64)
    bought = position >= 0
    spot = by_product[np.minimum(np.searchsorted(popular, product, sorter=by_product), len(popular) - 1)]
    return CandidateSet(
        product_index=product,
        source=source,
        pair_position=position,
        repeat_score=np.where(bought, repeat[position] if len(pairs) else 0.0, 0.0),
        repeat_rank=np.where(bought, rank[position] if len(pairs) else 0, -1),
        copurchase_score=joint[copurchase.position[product]],
        popularity_score=np.where(popular[spot] == product, popularity.score[segment][spot], 0.0),
    )


def build_popularity(
    segment: IntArray, product_index: IntArray, baskets: IntArray, products: int, *, limit: int = 200
) -> PopularityTable:
    """Best sellers of each segment from recent lines.

    Shape: `segment` and `product_index` are `(lines,)`, lines of the last 28 days before the snapshot; `baskets` is
    `(segments,)`, the baskets of each segment in that window.
    """
    segments = len(baskets)
    count = np.bincount(segment * products + product_index, minlength=segments * products).reshape(segments, products)
    best = np.stack([top_n(row.astype(np.float64), limit) for row in count])
    share = np.take_along_axis(count, best, axis=1) / np.maximum(baskets, 1)[:, None]
    return PopularityTable(best, share.astype(np.float32))
