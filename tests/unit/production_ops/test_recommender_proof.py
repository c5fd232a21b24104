"""What the recommender's line says of given measurements: the gate's rule, and the weaker one of a small world."""

from __future__ import annotations

from typing import Any

import pytest

from production_ops.proofs.recommender import beats_peers, no_peer_is_better

Triple = tuple[float, float, float]
OURS = {"ndcg": 0.23, "recall": 0.19, "queries": 2156}


def measured(ndcg: Triple, recall: Triple) -> dict[str, Any]:
    def ratio(values: Triple) -> dict[str, Any]:
        return {"ratio": values[0], "low": values[1], "high": values[2], "peer": "TIFU-KNN"}

    return {"methods": {"ranker": OURS}, "ratio": {"ndcg": ratio(ndcg), "recall": ratio(recall)}}


@pytest.mark.parametrize(
    ("ndcg", "recall", "holds"),
    [
        ((1.11, 1.08, 1.13), (1.13, 1.09, 1.17), True),
        ((1.09, 1.07, 1.12), (1.13, 1.09, 1.17), False),  # below the rung
        ((1.11, 1.08, 1.13), (1.12, 0.99, 1.25), False),  # above it, perhaps by luck
    ],
)
def test_the_gate_asks_both_figures_and_both_intervals(ndcg: Triple, recall: Triple, holds: bool) -> None:
    result = beats_peers(measured(ndcg, recall))
    assert result.passed is holds
    assert bool(result.findings) is not holds


@pytest.mark.parametrize(
    ("recall", "holds"),
    [((1.06, 0.99, 1.14), True), ((0.97, 0.90, 1.04), True), ((0.41, 0.36, 0.45), False)],
)
def test_a_small_world_tells_a_broken_model_from_a_sound_one(recall: Triple, holds: bool) -> None:
    result = no_peer_is_better(measured((1.05, 1.0, 1.1), recall))
    assert result.passed is holds
    assert all("recall@10" in finding for finding in result.findings)
