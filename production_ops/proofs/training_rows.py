"""Training rows: what gold gives the trainer for past questions, recomputed from silver alone.

The point-in-time proof holds gold's readers to gold; this one holds gold to silver. A row that knows tomorrow, stamped
as if it were of today, agrees with itself everywhere in gold and differs from the basket lines of that day only here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from data_lake.storage import LakeRoot
from feature_store.snapshots import Snapshots
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.states import Float32Array, IntArray
from ml_modeling.core.training_set import PointInTime, Snapshot, query_rows
from ml_modeling.gold_source import GoldSource, load_gold
from ml_modeling.order_lines import SilverLines, read_order_lines
from ml_modeling.training_scripts.dataset import popularity_at
from production_ops.proofs.parity import RELATIVE_TOLERANCE
from production_ops.proofs.reference import reference_of
from production_ops.proofs.result import ProofResult
from shared_utils.time_utils import day_start

QUESTIONS = 500
_SHOWN = 5


def check_training_rows(
    lake_root: LakeRoot, snapshots: Snapshots, days: Sequence[int], questions: int = QUESTIONS
) -> ProofResult:
    """Candidates and features of `questions` customers at one midnight, from gold and from silver.

    Args:
        lake_root: the lake whose silver is the truth.
        snapshots: the gold snapshots that a training reads.
        days: past epoch days with a co-purchase snapshot; the hardest of their opening midnights is asked: the one
            with most lines that were bought before it and came in after it.
        questions: how many customers are asked, evenly over all who bought before the day.
    """
    gold, silver = load_gold(snapshots), read_order_lines(lake_root)
    day = _hardest(silver, days)
    for what, of_gold, of_silver in (
        ("customers", gold.customer_ids, silver.customer_ids),
        ("products", gold.product_ids, silver.product_ids),
    ):
        if not np.array_equal(of_gold, of_silver):
            return _result(day, 0, 0, [f"gold and silver do not name the same {what}"])
    reference = reference_of(silver, lake_root, day)
    source, ids = _gold_source(silver, gold, day), gold.product_ids
    asked = np.array([c for c in range(len(gold.customer_ids)) if len(reference.source.pairs.at(c, day))])
    asked = asked[np.linspace(0, len(asked) - 1, min(questions, len(asked))).astype(np.int64)]
    gold_products, silver_products = source.products.at(day), reference.source.products.at(day)
    compared, findings = 0, list[str]()
    for customer in asked.tolist():
        given, matrix = query_rows(source, gold_products, customer, day)
        should, truth = query_rows(reference.source, silver_products, customer, day)
        compared += truth.size
        who = f"customer {gold.customer_ids[customer]}"
        findings += _differences(
            who, ids[given.product_index], reference.product_ids[should.product_index], matrix, truth
        )
    return _result(day, len(asked), compared, findings)


def _hardest(silver: SilverLines, days: Sequence[int]) -> int:
    """The day whose midnight parts most lines from their arrival; the latest one on a tie."""
    bought, known = silver.lines.day, silver.known_from_day
    return max(days, key=lambda day: (np.count_nonzero((bought < day) & (known > day)), day))


def _gold_source(silver: SilverLines, gold: GoldSource, day: int) -> PointInTime:
    newest = max(of for of in gold.copurchase if of <= day)
    snapshot = Snapshot(gold.copurchase[newest], popularity_at(gold.customers, silver, day))
    return PointInTime(gold.pairs, gold.products, gold.customers, {day: snapshot})


def _differences(who: str, given: IntArray, should: IntArray, matrix: Float32Array, truth: Float32Array) -> list[str]:
    if not np.array_equal(given, should):
        return [f"candidates: {who} has {len(np.setxor1d(given, should))} that only one side proposes"]
    off = ~np.isclose(matrix, truth, rtol=RELATIVE_TOLERANCE, atol=1e-6)
    return [
        f"{FEATURE_NAMES[j]}: {who}, product {given[i]} trains on {matrix[i, j]:g}, silver says {truth[i, j]:g}"
        for i, j in np.argwhere(off)
    ]


def _result(day: int, questions: int, compared: int, findings: list[str]) -> ProofResult:
    worst = ", ".join(f"{n} {name}" for name, n in Counter(f.split(":")[0] for f in findings).most_common(3))
    return ProofResult(
        name="training rows = silver",
        figure=f"{questions:,} questions at {day_start(day):%F}, {compared:,} values, {len(findings):,} differ"
        + (f": {worst}" * bool(worst)),
        bound="0 differ",
        passed=not findings and compared > 0,
        findings=tuple(findings[:_SHOWN]),
        numbers={"questions": questions, "values": compared, "differences": len(findings)},
    )
