"""Ranking metrics of a next basket, one value a query, and the paired bootstrap that compares two methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_modeling.core.states import FloatArray, IntArray

_DISCOUNT: FloatArray = 1.0 / np.log2(np.arange(2, 1026))


def _hits(ranking: IntArray, truth: IntArray, k: int) -> FloatArray:
    wanted = set(truth.tolist())  # a few products: numpy's set operations cost a hundred times as much
    return np.array([product in wanted for product in ranking[:k].tolist()], dtype=np.float64)


def ndcg_at(ranking: IntArray, truth: IntArray, k: int) -> float:
    """NDCG@k with binary gains; the ideal has `min(k, len(truth))` hits. An empty truth gives 0."""
    if not len(truth):
        return 0.0
    hits = _hits(ranking, truth, k)
    return float(hits @ _DISCOUNT[: len(hits)] / _DISCOUNT[: min(k, len(truth))].sum())


def recall_at(ranking: IntArray, truth: IntArray, k: int) -> float:
    """Share of the truth among the first k. An empty truth gives 0."""
    return float(_hits(ranking, truth, k).sum() / len(truth)) if len(truth) else 0.0


def hit_rate_at(ranking: IntArray, truth: IntArray, k: int) -> float:
    """1 when any of the first k is in the truth, otherwise 0."""
    return float(_hits(ranking, truth, k).any())


def recall_parts_at(ranking: IntArray, truth: IntArray, bought: IntArray, k: int) -> tuple[float, float]:
    """Recall@k of the truth bought before (repeat) and of the truth never bought (explore); NaN for an empty part."""
    known = set(bought.tolist())
    again = np.array([product in known for product in truth.tolist()], dtype=bool)
    repeat, explore = truth[again], truth[~again]
    return (
        recall_at(ranking, repeat, k) if len(repeat) else float("nan"),
        recall_at(ranking, explore, k) if len(explore) else float("nan"),
    )


@dataclass(frozen=True, slots=True)
class RankingReport:
    """Means over queries. `values_*` keep one value a query for the paired bootstrap. Shape: `(queries,)`."""

    queries: int
    ndcg: float
    recall: float
    recall_20: float
    hit_rate: float
    repeat_recall: float
    explore_recall: float
    values_ndcg: FloatArray
    values_recall: FloatArray


def evaluate(
    rankings: Sequence[IntArray], truths: Sequence[IntArray], bought: Sequence[IntArray], k: int = 10
) -> RankingReport:
    """Mean metrics of one ranking a query, against the query's truth and the products bought before."""
    ndcg = np.array([ndcg_at(r, t, k) for r, t in zip(rankings, truths, strict=True)])
    recall = np.array([recall_at(r, t, k) for r, t in zip(rankings, truths, strict=True)])
    parts = np.array([recall_parts_at(r, t, b, k) for r, t, b in zip(rankings, truths, bought, strict=True)])
    return RankingReport(
        queries=len(ndcg),
        ndcg=float(ndcg.mean()),
        recall=float(recall.mean()),
        recall_20=float(np.mean([recall_at(r, t, 2 * k) for r, t in zip(rankings, truths, strict=True)])),
        hit_rate=float(np.mean([hit_rate_at(r, t, k) for r, t in zip(rankings, truths, strict=True)])),
        repeat_recall=float(np.nanmean(parts[:, 0])),
        explore_recall=float(np.nanmean(parts[:, 1])),
        values_ndcg=ndcg,
        values_recall=recall,
    )


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """Ratio of two means with a percentile interval."""

    ratio: float
    low: float
    high: float


def paired_bootstrap_ratio(
    challenger: FloatArray, peer: FloatArray, *, rounds: int = 2000, level: float = 0.95, seed: int = 7
) -> RatioInterval:
    """Interval of `mean(challenger) / mean(peer)`: households are resampled, each with its two values together.

    Shape: `(households,)` each, same order.
    """
    rng = np.random.default_rng(seed)
    size = len(challenger)
    ratios = np.empty(rounds)
    for at in range(rounds):
        pick = rng.integers(0, size, size)
        ratios[at] = challenger[pick].sum() / peer[pick].sum()
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(ratios, [tail, 1.0 - tail])
    return RatioInterval(float(challenger.mean() / peer.mean()), float(low), float(high))
