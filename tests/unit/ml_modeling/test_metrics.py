from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_modeling.core import metrics

RANKING = st.lists(st.integers(0, 30), max_size=25, unique=True)
TRUTH = st.sets(st.integers(0, 30), max_size=20)


def slow_ndcg(ranking: list[int], truth: set[int], k: int) -> float:
    gain = sum(1 / math.log2(place + 2) for place, item in enumerate(ranking[:k]) if item in truth)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(truth))))
    return gain / ideal if ideal else 0.0


@given(RANKING, TRUTH, st.integers(1, 20))
def test_metrics_equal_the_slow_reference(ranking: list[int], truth: set[int], k: int) -> None:
    ranked, wanted = np.array(ranking, dtype=np.int64), np.array(sorted(truth), dtype=np.int64)
    hits = len(set(ranking[:k]) & truth)
    assert metrics.ndcg_at(ranked, wanted, k) == pytest.approx(slow_ndcg(ranking, truth, k))
    assert metrics.recall_at(ranked, wanted, k) == pytest.approx(hits / len(truth) if truth else 0.0)
    assert metrics.hit_rate_at(ranked, wanted, k) == float(hits > 0)


@given(RANKING, st.sets(st.integers(0, 30), min_size=1, max_size=20), st.sets(st.integers(0, 30)))
def test_repeat_and_explore_parts_add_up_to_recall(ranking: list[int], truth: set[int], bought: set[int]) -> None:
    ranked, wanted = np.array(ranking, dtype=np.int64), np.array(sorted(truth))
    repeat, explore = metrics.recall_parts_at(ranked, wanted, np.array(sorted(bought), dtype=np.int64), 10)
    share = len(truth & bought) / len(truth)
    total = np.nansum([repeat * share if share > 0 else 0.0, explore * (1 - share) if share < 1 else 0.0])
    assert total == pytest.approx(metrics.recall_at(ranked, wanted, 10))


def test_a_shuffled_ranking_scores_lower() -> None:
    truth = np.arange(5)
    assert metrics.ndcg_at(np.arange(20), truth, 10) == 1.0
    assert metrics.ndcg_at(np.arange(20)[::-1].copy(), truth, 10) == 0.0


def test_bootstrap_covers_the_planted_ratio_and_excludes_one() -> None:
    rng = np.random.default_rng(0)
    peer = rng.random(2000)
    interval = metrics.paired_bootstrap_ratio(peer * 1.2 + rng.normal(0, 0.05, 2000), peer, rounds=300)
    assert interval.low < 1.2 < interval.high
    assert interval.low > 1.15


def test_bootstrap_of_a_method_with_itself_is_exactly_one() -> None:
    peer = np.random.default_rng(1).random(100)
    assert metrics.paired_bootstrap_ratio(peer, peer, rounds=50) == metrics.RatioInterval(1.0, 1.0, 1.0)


def test_evaluate_averages_over_queries() -> None:
    report = metrics.evaluate([np.array([1, 2]), np.array([3])], [np.array([1]), np.array([4])], [np.array([1])] * 2)
    assert (report.queries, report.recall, report.hit_rate) == (2, 0.5, 0.5)
    assert (report.repeat_recall, report.explore_recall) == (1.0, 0.0)
