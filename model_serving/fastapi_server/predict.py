"""From a customer's state to ranked products: candidates, features, scores, rules, reasons. Pure computation.

The formulas are `ml_modeling.core`'s, the same functions that made the training set. What the customer touched within
the last day re-ranks the list in a second stage, when the model has one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from feature_store.core.live_windows import RecentTouches
from feature_store.online_store.reader import CustomerState as OnlineState
from ml_modeling.core.candidates import NO_PRODUCTS, CandidateSet, generate_candidates
from ml_modeling.core.features import FEATURE_NAMES, ranker_matrix
from ml_modeling.core.live import LIVE_FEATURE_NAMES, Session, live_matrix, live_scores
from ml_modeling.core.rules import allowed
from ml_modeling.core.states import CustomerState, Float32Array, FloatArray, IntArray, PairState
from model_serving.core.ranking import FeatureEffect, RankedItem, Source
from model_serving.core.reasons import source_of, text_of, top_effects, with_live_effects
from model_serving.core.shelf import Model, Products
from shared_utils.errors import DataError

_CUSTOMER_FIELDS = tuple(f.name for f in fields(CustomerState))
_PAIR_FIELDS = tuple(f.name for f in fields(PairState) if f.name != "product_index")
_ORDERS, _RECENCY = FEATURE_NAMES.index("pair_orders_count"), FEATURE_NAMES.index("pair_recency_days")
Timer = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Ranked items with the names of their features, and what took part.

    `products_behind`: pairs had to be left out because the product table is older than they are. `live_used`: the
    second stage ranked.
    """

    items: tuple[RankedItem, ...]
    feature_names: tuple[str, ...]
    products_behind: bool
    live_used: bool


@dataclass(frozen=True, slots=True)
class _SecondStage:
    """Live features of the candidates with their weights: they rank instead of the first stage's scores alone."""

    matrix: FloatArray
    weights: FloatArray

    def effects(self, shown: IntArray) -> FloatArray:
        """What each live feature did to the score, beside the median candidate. Shape: `(shown, live features)`."""
        effects: FloatArray = (self.matrix[shown] - np.median(self.matrix, axis=0)) * self.weights
        return effects


def predict(
    model: Model, products: Products, state: OnlineState, live: RecentTouches | None, limit: int, timed: Timer
) -> Prediction:
    """The best `limit` products for a customer, as of the day its features describe and what it does now (`live`).

    `timed(stage, seconds)` is told how long ranking and explaining took.

    Raises:
        DataError: the model gave a score that is not a number.
    """
    started = time.perf_counter()
    customer = customer_state(state)
    pairs = pair_state(state, products.table.product_id)
    session = _session_of(model, products, live)
    candidates = generate_candidates(
        state.as_of_day,
        pairs,
        customer,
        products.copurchase,
        products.popularity,
        session=NO_PRODUCTS if session is None else session.candidates(products.copurchase),
    )
    matrix = ranker_matrix(state.as_of_day, pairs, customer, products.table, candidates)
    first = model.scorer.score(matrix)
    if not np.isfinite(first).all():
        raise DataError(f"Model {model.ref.version} gave a score that is not a number.", "Move the alias back.")
    second = _second_stage(model, products, session, candidates, first)
    scores = first if second is None else live_scores(second.matrix, second.weights)
    shown = rank(candidates, scores, products, session)[:limit]
    ranked = time.perf_counter()
    effects = top_effects(model.scorer, model.feature_names, model.slope, matrix, first, shown)
    if second is not None:
        effects = with_live_effects(effects, float(second.weights[0]), second.effects(shown), second.matrix[shown])
    items = tuple(
        _item(model, products, int(candidates.product_index[row]), float(scores[row]), reason, values, effect)
        for row, reason, values, effect in zip(
            shown,
            _reasons(candidates, matrix, shown, session),
            _values(matrix, second, shown),
            effects,
            strict=True,
        )
    )
    timed("rank", ranked - started)
    timed("explain", time.perf_counter() - ranked)
    return Prediction(
        items,
        model.feature_names if second is None else (*model.feature_names, *LIVE_FEATURE_NAMES),
        products_behind=len(pairs) < len(state.pairs["product_id"]),
        live_used=second is not None,
    )


def _session_of(model: Model, products: Products, live: RecentTouches | None) -> Session | None:
    """The session as the second stage reads it; None when the model has no such stage or nothing is known."""
    if live is None or model.live_weights is None:
        return None
    return Session.of(live.touches, live.as_of, products.table.product_id, products.copurchase)


def customer_state(state: OnlineState) -> CustomerState:
    """The customer's snapshot in the ranker's type."""
    return CustomerState(**{name: int(state.customer[name]) for name in _CUSTOMER_FIELDS})


def pair_state(state: OnlineState, product_id: IntArray) -> PairState:
    """The customer's pairs in the ranker's types; pairs whose product is not in the table are left out."""
    ids = state.pairs["product_id"]
    place = np.searchsorted(product_id, ids)
    known = product_id[np.minimum(place, len(product_id) - 1)] == ids
    columns = {name: state.pairs[name] for name in _PAIR_FIELDS}
    if not known.all():
        place, columns = place[known], {name: values[known] for name, values in columns.items()}
    wide: dict[str, Any] = {n: v.astype(np.float64 if v.dtype.kind == "f" else np.int64) for n, v in columns.items()}
    return PairState(product_index=place.astype(np.int64), **wide)


def rank(candidates: CandidateSet, scores: FloatArray, products: Products, session: Session | None = None) -> IntArray:
    """Candidate rows, best score first, ties to the smaller product id, without what the rules forbid."""
    order = np.argsort(-scores, kind="stable")
    kept = allowed(candidates.product_index[order], in_stock=products.in_stock, banned=products.banned)
    if session is not None:
        kept = kept[~session.in_cart(kept)]
    rows: IntArray = np.searchsorted(candidates.product_index, kept)
    return rows


def _second_stage(
    model: Model, products: Products, session: Session | None, candidates: CandidateSet, first: FloatArray
) -> _SecondStage | None:
    if session is None or model.live_weights is None:
        return None
    matrix = live_matrix(session, candidates.product_index, first, products.table, products.copurchase)
    return _SecondStage(matrix, model.live_weights)


def _values(matrix: Float32Array, second: _SecondStage | None, shown: IntArray) -> list[tuple[float, ...]]:
    """The values that ranked each shown item, in the order of the prediction's feature names."""
    rows = [tuple(row) for row in matrix[shown].tolist()]
    if second is None:
        return rows
    return [(*row, *live) for row, live in zip(rows, second.matrix[shown].tolist(), strict=True)]


def _reasons(
    candidates: CandidateSet, matrix: Float32Array, shown: IntArray, session: Session | None
) -> list[tuple[Source, str]]:
    viewed = np.zeros(len(shown), dtype=bool)
    if session is not None:
        viewed = np.isin(candidates.product_index[shown], session.viewed)
    reasons = []
    for flags, row, seen in zip(candidates.source[shown].tolist(), matrix[shown], viewed.tolist(), strict=True):
        source = source_of(flags, viewed=seen)
        reasons.append((source, text_of(source, float(row[_ORDERS]), float(row[_RECENCY]), viewed=seen)))
    return reasons


def _item(
    model: Model,
    products: Products,
    index: int,
    score: float,
    reason: tuple[Source, str],
    values: tuple[float, ...],
    effects: tuple[FeatureEffect, ...],
) -> RankedItem:
    product_id = int(products.table.product_id[index])
    name, category = model.labels.get(product_id, (None, None))
    source, text = reason
    return RankedItem(product_id, score, source, text, features=values, effects=effects, name=name, category=category)
