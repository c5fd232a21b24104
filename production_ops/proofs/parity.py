"""Train/serve parity: the feature values that served a decision, recomputed from silver alone.

Gold, Feast and Redis are not read: the reference states come from `silver.transaction_line` and the dimensions through
`ml_modeling.core.replay`, point in time by event day and arrival. A stale store, a changed unit, a default or a skewed
clock between silver and the answer shows as a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.training_set import PointInTime, query_rows
from production_ops.proofs.result import ProofResult
from shared_utils.time_utils import epoch_day

RELATIVE_TOLERANCE = 1e-5
"""Two float32 roads to one number: sums in another order, exp2 of another library."""
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Reference:
    """Point-in-time states with the ids behind the indices. Ids ascend, so that ties fall the same way everywhere."""

    source: PointInTime
    customer_ids: np.ndarray[Any, np.dtype[np.int64]]
    product_ids: np.ndarray[Any, np.dtype[np.int64]]


def check_parity(
    decisions: Sequence[Mapping[str, Any]], reference: Reference, *, expected_as_of: datetime
) -> ProofResult:
    """Recompute every feature of every served item and compare.

    Args:
        decisions: values of `decisions.recommendation.v1`; cold-start and degraded ones carry no features.
        reference: states from silver.
        expected_as_of: the close of the last day that the store should know; an older decision is stale.
    """
    served = [d for d in decisions if not d["degraded"] and d["features_as_of"] is not None and d["items"]]
    degraded = Counter(reason for d in decisions if d["degraded"] for reason in d["degraded_reasons"])
    compared, wrong = 0, Counter[str]()
    findings = [f"{count} decisions were degraded, with no features: {reason}" for reason, count in degraded.items()]
    table = reference.source.products.at(epoch_day(expected_as_of))
    for decision in served:
        as_of = datetime.fromisoformat(decision["features_as_of"])
        if as_of != expected_as_of:
            wrong["features_as_of"] += 1
            findings.append(
                f"customer {decision['customer_id']}: served as of {as_of:%F}, the lake is at {expected_as_of:%F}"
            )
            continue
        customer = int(np.searchsorted(reference.customer_ids, decision["customer_id"]))
        candidates, matrix = query_rows(reference.source, table, customer, epoch_day(as_of))
        row_of = {int(reference.product_ids[p]): matrix[i] for i, p in enumerate(candidates.product_index)}
        for item in decision["items"]:
            compared += len(FEATURE_NAMES)
            for name, is_value, should in _differences(decision["feature_names"], item, row_of.get(item["product_id"])):
                wrong[name] += 1
                findings.append(
                    f"customer {decision['customer_id']}, product {item['product_id']}: "
                    f"{name} served {is_value:g}, lake {should:g}"
                )
    total = sum(wrong.values())
    worst = ", ".join(f"{name} ({n})" for name, n in wrong.most_common(4))
    return ProofResult(
        name="train/serve parity",
        figure=f"{len(served):,} decisions, {compared:,} values, {total} differ" + (f": {worst}" if worst else ""),
        bound=">= 500 decisions, 0 differ",
        passed=total == 0 and len(served) >= 500,
        findings=tuple(findings[:_SHOWN]),
        numbers={"decisions": len(served), "values": compared, "differences": total},
    )


def _differences(
    names: Sequence[str], item: Mapping[str, Any], row: np.ndarray[Any, np.dtype[np.float32]] | None
) -> list[tuple[str, float, float]]:
    if tuple(names) != FEATURE_NAMES:
        return [("feature_names", float(len(names)), float(len(FEATURE_NAMES)))]
    if row is None:
        return [("candidate", 1.0, 0.0)]
    values = np.asarray(item["features"], dtype=np.float64)
    off = ~np.isclose(values, row.astype(np.float64), rtol=RELATIVE_TOLERANCE, atol=1e-6)
    return [(FEATURE_NAMES[i], float(values[i]), float(row[i])) for i in np.flatnonzero(off)]
