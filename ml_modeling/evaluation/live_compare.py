"""The second stage judged by replay: the nightly list, the cart rule, and what a shopper does now, on the same moments.

Three arms, each with the products that the one before it also had: the nightly list as it would be served; without
what already lies in the cart; and re-ranked by the session. The first half of the days fits, the second one judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ml_modeling.click_moments import Moment
from ml_modeling.core.candidates import CandidateSource
from ml_modeling.core.live import LIVE_FEATURE_NAMES, Session, live_matrix, live_scores
from ml_modeling.core.live_fit import LiveRows, fit_live_weights
from ml_modeling.core.metrics import RatioInterval, ndcg_at, paired_bootstrap_ratio, recall_at
from ml_modeling.core.states import Float32Array, FloatArray, IntArray
from ml_modeling.core.training_set import PointInTime, query_rows
from shared_utils.errors import DataError

K: Final = 10
MIN_JUDGED: Final = 200
"""Moments with an answer of each kind below which an interval says nothing: no stage is fitted then."""
NIGHTLY, CART_RULE, LIVE = "nightly list", "without the cart", "with the session"
Score = Callable[[Float32Array], FloatArray]


@dataclass(frozen=True, slots=True)
class Asked:
    """A moment with its candidates. Shape: `(candidates,)` each, `matrix` of the second stage.

    `nightly`: which candidates the nightly list has too; `in_cart`: which were put into the cart within the hour.
    """

    moment: Moment
    product_id: IntArray
    score: FloatArray
    matrix: FloatArray
    nightly: np.ndarray[Any, np.dtype[np.bool_]]
    in_cart: np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class ArmReport:
    """Means of one arm over the judged moments."""

    next_product_hit: float
    basket_ndcg: float
    basket_recall: float


@dataclass(frozen=True, slots=True)
class LiveComparison:
    """The fitted weights and the three arms. Ratios are of the session's arm over the nightly list.

    `session_share`: how much of the gain in basket NDCG the session's features bring, the rest being the cart rule's.
    """

    weights: FloatArray
    fitted: int
    judged: int
    arms: Mapping[str, ArmReport]
    ndcg: RatioInterval
    hit: RatioInterval
    session_share: float

    @property
    def gains(self) -> bool:
        """Whether re-ranking is better beyond chance on baskets, and not worse beyond chance inside the visit."""
        return self.ndcg.low > 1.0 and self.hit.high >= 1.0


def compare_live(
    source: PointInTime, customer_ids: IntArray, product_ids: IntArray, moments: Sequence[Moment], score: Score
) -> LiveComparison | None:
    """Fit on the first half of the days and judge on the second; None where either half has too little to go by."""
    asked = ask(source, customer_ids, product_ids, moments, score)
    if not asked:
        return None
    days = [each.moment.day for each in asked]
    middle = (min(days) + max(days) + 1) / 2
    fit, judge = ([a for a in asked if (a.moment.day < middle) is early] for early in (True, False))
    rows = fit_rows(fit)
    bought = sum(len(each.moment.next_basket) > 0 for each in judge)
    fresh = sum(each.moment.next_product is not None for each in judge)
    if rows is None or min(bought, fresh) < MIN_JUDGED:
        return None
    return judged_with(fit_live_weights(rows), judge, fitted=len(rows.group_size))


def ask(
    source: PointInTime, customer_ids: IntArray, product_ids: IntArray, moments: Sequence[Moment], score: Score
) -> list[Asked]:
    """The candidates of every moment whose customer had a state and whose touches are known products."""
    asked, table, table_day = [], None, -1
    for moment in sorted(moments, key=lambda each: each.day):
        place = int(np.searchsorted(customer_ids, moment.customer_id))
        if place == len(customer_ids) or customer_ids[place] != moment.customer_id:
            continue
        if table is None or moment.day != table_day:
            table, table_day = source.products.at(moment.day), moment.day
        copurchase = source.snapshot_at(moment.day).copurchase
        session = Session.of(moment.touches, moment.at, product_ids, copurchase)
        if session is None:
            continue
        try:
            candidates, matrix = query_rows(source, table, place, moment.day, session=session.candidates(copurchase))
        except DataError:  # the customer's first visit: no nightly state yet, a cold start
            continue
        scores = score(matrix)
        index = candidates.product_index
        asked.append(
            Asked(
                moment,
                product_ids[index],
                scores,
                live_matrix(session, index, scores, table, copurchase),
                (candidates.source & ~int(CandidateSource.SESSION)) != 0,
                session.in_cart(index),
            )
        )
    return asked


def fit_rows(asked: Sequence[Asked]) -> LiveRows | None:
    """The rows that weights are fitted on: candidates outside the cart, hits are products of the next basket."""
    matrices, hits = [], []
    for each in asked:
        hit = np.isin(each.product_id, each.moment.next_basket)[~each.in_cart]
        if hit.any():
            matrices.append(each.matrix[~each.in_cart])
            hits.append(hit)
    if not hits:
        return None
    return LiveRows(np.concatenate(matrices), np.concatenate(hits), np.array([len(hit) for hit in hits]))


def judged_with(weights: FloatArray, asked: Sequence[Asked], *, fitted: int) -> LiveComparison:
    """The three arms on the same moments."""
    values = {name: _values(asked, weights, name) for name in (NIGHTLY, CART_RULE, LIVE)}
    arms = {name: ArmReport(*(float(np.nanmean(column)) for column in table.T)) for name, table in values.items()}
    bought = ~np.isnan(values[LIVE][:, 1])
    fresh = ~np.isnan(values[LIVE][:, 0])
    gain = arms[LIVE].basket_ndcg - arms[NIGHTLY].basket_ndcg
    return LiveComparison(
        weights=weights,
        fitted=fitted,
        judged=len(asked),
        arms=arms,
        ndcg=paired_bootstrap_ratio(values[LIVE][bought, 1], values[NIGHTLY][bought, 1]),
        hit=paired_bootstrap_ratio(values[LIVE][fresh, 0], values[NIGHTLY][fresh, 0]),
        session_share=(arms[LIVE].basket_ndcg - arms[CART_RULE].basket_ndcg) / gain if gain else 0.0,
    )


def _values(asked: Sequence[Asked], weights: FloatArray, arm: str) -> FloatArray:
    """Per moment: hit of the next product, basket NDCG, basket recall at 10; NaN where there is no such answer."""
    values = np.full((len(asked), 3), np.nan)
    for row, each in enumerate(asked):
        score = live_scores(each.matrix, weights) if arm == LIVE else each.score
        shown = np.ones(len(score), dtype=bool) if arm == LIVE else each.nightly
        if arm != NIGHTLY:
            shown = shown & ~each.in_cart
        ranking = each.product_id[shown][np.argsort(-score[shown], kind="stable")]
        moment = each.moment
        if moment.next_product is not None:
            values[row, 0] = moment.next_product in ranking[:K]
        if len(moment.next_basket):
            values[row, 1] = ndcg_at(ranking, moment.next_basket, K)
            values[row, 2] = recall_at(ranking, moment.next_basket, K)
    return values


def weights_by_name(weights: FloatArray) -> dict[str, float]:
    """The weights under their features' names."""
    return dict(zip(LIVE_FEATURE_NAMES, weights.tolist(), strict=True))
