"""From a customer's state to ranked products: candidates, features, scores, rules, reasons. Pure computation.

The formulas are `ml_modeling.core`'s, the same functions that made the training set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from feature_store.online_store.reader import CustomerState as OnlineState
from ml_modeling.core.candidates import CandidateSet, generate_candidates
from ml_modeling.core.features import FEATURE_NAMES, ranker_matrix
from ml_modeling.core.rules import allowed
from ml_modeling.core.states import CustomerState, Float32Array, FloatArray, IntArray, PairState
from model_serving.core.ranking import FeatureEffect, RankedItem
from model_serving.core.reasons import source_of, text_of, top_effects
from model_serving.core.shelf import Model, Products
from shared_utils.errors import DataError

_CUSTOMER_FIELDS = tuple(f.name for f in fields(CustomerState))
_PAIR_FIELDS = tuple(f.name for f in fields(PairState) if f.name != "product_index")
_ORDERS, _RECENCY = FEATURE_NAMES.index("pair_orders_count"), FEATURE_NAMES.index("pair_recency_days")
Timer = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Ranked items, and whether pairs had to be left out because the product table is older than they are."""

    items: tuple[RankedItem, ...]
    products_behind: bool


def predict(model: Model, products: Products, state: OnlineState, limit: int, timed: Timer) -> Prediction:
    """The best `limit` products for a customer, as of the day its features describe.

    `timed(stage, seconds)` is told how long ranking and explaining took.

    Raises:
        DataError: the model gave a score that is not a number.
    """
    started = time.perf_counter()
    customer = customer_state(state)
    pairs = pair_state(state, products.table.product_id)
    candidates = generate_candidates(state.as_of_day, pairs, customer, products.copurchase, products.popularity)
    matrix = ranker_matrix(state.as_of_day, pairs, customer, products.table, candidates)
    scores = model.scorer.score(matrix)
    if not np.isfinite(scores).all():
        raise DataError(f"Model {model.ref.version} gave a score that is not a number.", "Move the alias back.")
    shown = rank(candidates, scores, products)[:limit]
    ranked = time.perf_counter()
    effects = top_effects(model.scorer, model.feature_names, model.slope, matrix, scores, shown)
    product_id = products.table.product_id[candidates.product_index[shown]].tolist()
    items = tuple(
        _item(model, product, score, flags, row, effect)
        for product, score, flags, row, effect in zip(
            product_id, scores[shown].tolist(), candidates.source[shown].tolist(), matrix[shown], effects, strict=True
        )
    )
    timed("rank", ranked - started)
    timed("explain", time.perf_counter() - ranked)
    return Prediction(items, products_behind=len(pairs) < len(state.pairs["product_id"]))


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


def rank(candidates: CandidateSet, scores: FloatArray, products: Products) -> IntArray:
    """Candidate rows, best score first, ties to the smaller product id, without what the rules forbid."""
    order = np.argsort(-scores, kind="stable")
    kept = allowed(candidates.product_index[order], in_stock=products.in_stock, banned=products.banned)
    rows: IntArray = np.searchsorted(candidates.product_index, kept)
    return rows


def _item(
    model: Model, product_id: int, score: float, flags: int, row: Float32Array, effects: tuple[FeatureEffect, ...]
) -> RankedItem:
    source = source_of(flags)
    name, category = model.labels.get(product_id, (None, None))
    return RankedItem(
        product_id=product_id,
        score=score,
        source=source,
        text=text_of(source, float(row[_ORDERS]), float(row[_RECENCY])),
        features=tuple(row.tolist()),
        effects=effects,
        name=name,
        category=category,
    )
