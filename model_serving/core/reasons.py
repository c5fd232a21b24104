"""Why an item is on the list: its source, a sentence, and the features that moved its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ml_modeling.core.candidates import CandidateSource
from ml_modeling.core.live import LIVE_FEATURE_NAMES
from ml_modeling.core.states import Float32Array, FloatArray, IntArray
from model_serving.core.ranking import FeatureEffect, Source
from model_serving.ports import Scorer

TOP_EFFECTS = 3
TRIED_EFFECTS = 6
_COPURCHASE_TEXT = "Often bought together with products you buy."
_VIEWED_TEXT = "You just looked at this."
_SESSION_TEXT = "Goes with what you look at now."
_POPULAR_TEXT = "Popular with shoppers like you."
COLD_START_TEXT = "Popular in the shop now."


def source_of(flags: int, *, viewed: bool = False) -> Source:
    """The most personal generator among `flags`: what was just `viewed`, bought before, goes with the session, ...."""
    if viewed:
        return Source.SESSION
    if flags & CandidateSource.REPEAT:
        return Source.REPEAT
    if flags & CandidateSource.SESSION:
        return Source.SESSION
    return Source.COPURCHASE if flags & CandidateSource.COPURCHASE else Source.POPULARITY


def text_of(source: Source, orders_count: float, recency_days: float, *, viewed: bool = False) -> str:
    """One sentence for the shopper."""
    if source is Source.SESSION:
        return _VIEWED_TEXT if viewed else _SESSION_TEXT
    if source is Source.COPURCHASE:
        return _COPURCHASE_TEXT
    if source is Source.POPULARITY:
        return _POPULAR_TEXT
    times = "once" if orders_count == 1 else f"{orders_count:.0f} times"
    days = f"{recency_days:.0f} day{'' if recency_days == 1 else 's'} ago"
    return f"You bought this {times}, last {days}."


def sensitivity(scorer: Scorer, rows: Float32Array) -> FloatArray:
    """How much the score moves per unit of each feature, on typical rows: mean change over mean distance to the median.

    Shape: `(features,)`. Computed once a model; `top_effects` uses it to guess which features are worth a try.
    """
    usual = np.median(rows, axis=0).astype(np.float32)
    count, width = rows.shape
    changed = np.repeat(rows, width, axis=0)
    features = np.tile(np.arange(width), count)
    changed[np.arange(len(changed)), features] = usual[features]
    moved = np.abs(scorer.score(changed).reshape(count, width) - scorer.score(rows)[:, None]).mean(axis=0)
    distance = np.abs(rows - usual).mean(axis=0).astype(np.float64)
    result: FloatArray = np.where(distance > 0, moved / np.where(distance > 0, distance, 1.0), 0.0)
    return result


def top_effects(
    scorer: Scorer, names: tuple[str, ...], slope: FloatArray, matrix: Float32Array, scores: FloatArray, shown: IntArray
) -> list[tuple[FeatureEffect, ...]]:
    """The three features that mattered most for each shown row.

    The effect of a feature is the change of the score when its value is replaced by the median over this customer's
    candidates (occlusion): it answers "why this product rather than your usual candidate". It is an approximation of a
    Shapley value that ignores interactions, and needs only `score`, so it is the same for every model format. Only the
    six features that promise most (distance to the median times `slope`) are tried: six scored rows an item, where all
    features would cost fifty and more time than the ranking itself.
    """
    rows = matrix[shown]
    usual = np.median(matrix, axis=0).astype(np.float32)
    promise = np.abs(rows - usual) * slope
    tried = np.argpartition(-promise, min(TRIED_EFFECTS, promise.shape[1]) - 1, axis=1)[:, :TRIED_EFFECTS]
    tried = np.sort(tried, axis=1)
    item = np.repeat(np.arange(len(rows)), tried.shape[1])
    changed = rows[item]
    changed[np.arange(len(item)), tried.ravel()] = usual[tried.ravel()]
    effect = scores[shown][:, None] - scorer.score(changed).reshape(tried.shape) if len(item) else np.zeros(tried.shape)
    best = np.argsort(-np.abs(effect), axis=1, kind="stable")[:, :TOP_EFFECTS]
    return [
        tuple(
            FeatureEffect(names[tried[i, t]], float(rows[i, tried[i, t]]), float(effect[i, t]))
            for t in best[i]
            if effect[i, t] != 0.0
        )
        for i in range(len(rows))
    ]


def with_live_effects(
    effects: Sequence[tuple[FeatureEffect, ...]], ranker_weight: float, live: FloatArray, values: FloatArray
) -> list[tuple[FeatureEffect, ...]]:
    """The three strongest effects of both stages, in units of the second stage's score.

    Args:
        effects: those of the first stage, in its own units.
        ranker_weight: what one unit of the first stage is worth in the second.
        live: effects of the second stage's features; the first one is the first stage as a whole and is left out.
        values: the second stage's inputs. Shape of both: `(shown items, live features)`.
    """
    merged = []
    for first, moved, given in zip(effects, live.tolist(), values.tolist(), strict=True):
        both = [replace(effect, effect=effect.effect * ranker_weight) for effect in first]
        both += [
            FeatureEffect(name, value, effect)
            for name, value, effect in zip(LIVE_FEATURE_NAMES[1:], given[1:], moved[1:], strict=True)
            if effect != 0.0
        ]
        merged.append(tuple(sorted(both, key=lambda effect: -abs(effect.effect))[:TOP_EFFECTS]))
    return merged
