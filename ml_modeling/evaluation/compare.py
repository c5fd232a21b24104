"""The ranker beside its peers on one split: the same questions, the same history, one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ml_modeling.core.baselines import PurchaseHistory, global_top, personal_top, tifu_knn, up_cf
from ml_modeling.core.metrics import RankingReport, RatioInterval, evaluate, paired_bootstrap_ratio
from ml_modeling.core.replay import OrderLines
from ml_modeling.core.splits import Queries
from ml_modeling.core.states import Float32Array, FloatArray, IntArray
from ml_modeling.core.training_set import PointInTime, query_rows

K = 10
RANKER = "ranker"
Score = Callable[[Float32Array], FloatArray]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every method's report on the same queries, the seconds it took, and the ranker against the best peer."""

    reports: Mapping[str, RankingReport]
    seconds: Mapping[str, float]
    best_peer_ndcg: str
    best_peer_recall: str
    ndcg: RatioInterval
    recall: RatioInterval


def rank_queries(source: PointInTime, queries: Queries, score: Score, k: int) -> list[IntArray]:
    """The ranker's k best product indices for each query, in the queries' order; ties go to the smaller id."""
    rankings: list[IntArray] = [np.empty(0, dtype=np.int64)] * len(queries)
    table, table_day = None, -1
    for at in np.argsort(queries.as_of_day, kind="stable"):
        day = int(queries.as_of_day[at])
        if table is None or day != table_day:
            table, table_day = source.products.at(day), day
        candidates, matrix = query_rows(source, table, int(queries.customer_index[at]), day)
        rankings[at] = candidates.product_index[np.argsort(-score(matrix), kind="stable")[:k]]
    return rankings


def compare(source: PointInTime, history: OrderLines, queries: Queries, score: Score) -> Comparison:
    """Evaluate the ranker and its peers.

    Args:
        source: point-in-time states for the ranker.
        history: the lines that the peers may use: those before every query.
        queries: test questions with their truths.
        score: raw scores of a ranker matrix.
    """
    customers = int(max(history.customer_index.max(), queries.customer_index.max())) + 1
    products = len(source.products.dimension.product_id)
    purchases = PurchaseHistory.from_lines(history, customers, products)
    wanted = queries.customer_index
    methods: dict[str, Callable[[], list[IntArray]]] = {
        "global top": lambda: global_top(purchases, wanted, 2 * K),
        "personal top": lambda: personal_top(purchases, wanted, 2 * K),
        "UP-CF": lambda: up_cf(purchases, wanted, 2 * K),
        "TIFU-KNN": lambda: tifu_knn(purchases, wanted, 2 * K),
        RANKER: lambda: rank_queries(source, queries, score, 2 * K),
    }
    bought = [source.pairs.at(int(c), int(d)).product_index for c, d in zip(wanted, queries.as_of_day, strict=True)]
    reports, seconds = {}, {}
    for name, rank in methods.items():
        started = time.perf_counter()
        reports[name] = evaluate(rank(), queries.truth, bought, K)
        seconds[name] = time.perf_counter() - started
    return _against_best(reports, seconds)


def _against_best(reports: Mapping[str, RankingReport], seconds: Mapping[str, float]) -> Comparison:
    peers = [name for name in reports if name != RANKER]
    by_ndcg = max(peers, key=lambda name: reports[name].ndcg)
    by_recall = max(peers, key=lambda name: reports[name].recall)
    ours = reports[RANKER]
    return Comparison(
        reports=reports,
        seconds=seconds,
        best_peer_ndcg=by_ndcg,
        best_peer_recall=by_recall,
        ndcg=paired_bootstrap_ratio(ours.values_ndcg, reports[by_ndcg].values_ndcg),
        recall=paired_bootstrap_ratio(ours.values_recall, reports[by_recall].values_recall),
    )
