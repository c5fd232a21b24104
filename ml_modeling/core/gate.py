"""The gate before `@champion` moves: the ranker against the best of its peers on a time split."""

from __future__ import annotations

from dataclasses import dataclass

from ml_modeling.core.metrics import RatioInterval

ENTRY_RATIO = 1.10
"""rec-1's entry rung: NDCG@10 and recall@10 of the ranker over the best peer's."""


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Whether the alias may move, and why not."""

    passed: bool
    reasons: tuple[str, ...]


def decide(ndcg: RatioInterval, recall: RatioInterval, *, bound: float = ENTRY_RATIO) -> GateDecision:
    """Both ratios must reach the bound, and the interval of each must lie above 1: better, and not by luck."""
    reasons = []
    for name, measured in (("NDCG@10", ndcg), ("recall@10", recall)):
        if measured.ratio < bound:
            reasons.append(f"{name} is {measured.ratio:.3f}x the best peer, below {bound:.2f}x")
        if measured.low <= 1.0:
            reasons.append(f"the 95 % interval of {name} starts at {measured.low:.3f}x, not above 1")
    return GateDecision(not reasons, tuple(reasons))
