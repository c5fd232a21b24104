"""The trained ranker against its peers, and the served lists against the offline ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ml_modeling.core.gate import ENTRY_RATIO, decide
from ml_modeling.core.metrics import RatioInterval
from ml_modeling.core.rules import allowed
from ml_modeling.core.states import Float32Array, FloatArray
from ml_modeling.core.training_set import query_rows
from production_ops.proofs.parity import Reference
from production_ops.proofs.result import ProofResult


def beats_peers(measured: Mapping[str, Any]) -> ProofResult:
    """Both ratios of a training's measurements against the entry rung, each interval above 1: the gate's own rule."""
    decision = decide(_interval(measured["ratio"]["ndcg"]), _interval(measured["ratio"]["recall"]))
    return _result(measured, f">= {ENTRY_RATIO:.2f}x both, interval above 1", decision.reasons)


def no_peer_is_better(measured: Mapping[str, Any]) -> ProofResult:
    """Each ratio's 95 % interval reaches 1: what a few hundred households can tell of a sound model.

    The gate's 1.10x is a figure of all households; on a small world its interval is too wide to hold it.
    """
    reasons = [
        f"{name} is {ratio['ratio']:.3f}x the best peer, its interval ends at {ratio['high']:.3f}x"
        for name, ratio in (("NDCG@10", measured["ratio"]["ndcg"]), ("recall@10", measured["ratio"]["recall"]))
        if ratio["high"] < 1.0
    ]
    return _result(measured, "no peer better beyond chance", tuple(reasons))


def _result(measured: Mapping[str, Any], bound: str, reasons: tuple[str, ...]) -> ProofResult:
    ndcg, recall = measured["ratio"]["ndcg"], measured["ratio"]["recall"]
    ours = measured["methods"]["ranker"]
    return ProofResult(
        name="recommender against peers",
        figure=(
            f"NDCG@10 {ours['ndcg']:.4f} = {ndcg['ratio']:.3f}x [{ndcg['low']:.3f}, {ndcg['high']:.3f}] "
            f"{ndcg['peer']}; "
            f"recall@10 {ours['recall']:.4f} = {recall['ratio']:.3f}x [{recall['low']:.3f}, {recall['high']:.3f}] "
            f"{recall['peer']}; {ours['queries']:,} baskets"
        ),
        bound=bound,
        passed=not reasons,
        findings=reasons,
        numbers={"ndcg_ratio": ndcg["ratio"], "recall_ratio": recall["ratio"]},
    )


def _interval(measured: Mapping[str, Any]) -> RatioInterval:
    return RatioInterval(measured["ratio"], measured["low"], measured["high"])


def served_equals_offline(
    answers: Mapping[int, Sequence[int]],
    reference: Reference,
    as_of_day: int,
    score: Callable[[Float32Array], FloatArray],
    hidden: frozenset[int],
) -> ProofResult:
    """Every served list against the list that states from silver and the same model give offline.

    Args:
        answers: customer id to the product ids served, best first.
        reference: states from silver.
        as_of_day: the served day; what was known at its opening midnight counts.
        score: the registered model's scorer.
        hidden: products out of stock, from the lake.
    """
    ids = reference.product_ids
    banned = np.zeros(len(ids), dtype=bool)
    in_stock = ~np.isin(ids, np.fromiter(hidden, dtype=np.int64, count=len(hidden)))
    table = reference.source.products.at(as_of_day)
    findings, different = [], 0
    for customer_id, served in answers.items():
        customer = int(np.searchsorted(reference.customer_ids, customer_id))
        candidates, matrix = query_rows(reference.source, table, customer, as_of_day)
        best_first = candidates.product_index[np.argsort(-score(matrix), kind="stable")]
        offline = ids[allowed(best_first, in_stock=in_stock, banned=banned)][: len(served)].tolist()
        if offline != list(served):
            different += 1
            findings.append(f"customer {customer_id}: served {list(served)[:4]}..., offline {offline[:4]}...")
    return ProofResult(
        name="served list = offline list",
        figure=f"{len(answers):,} households, {different} differ",
        bound="0 differ",
        passed=different == 0 and bool(answers),
        findings=tuple(findings[:5]),
        numbers={"households": len(answers), "differences": different},
    )
