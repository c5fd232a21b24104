"""Train/serve parity: the feature values that served a decision, recomputed from silver alone.

Gold, Feast and Redis are not read: the reference states come from `silver.transaction_line` and the dimensions through
`ml_modeling.core.replay`, point in time by event day and arrival. A stale store, a changed unit, a default or a skewed
clock between silver and the answer shows as a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Tally:
    """Values compared and what differs, of served decisions against their recomputation."""

    names: Sequence[str]
    compared: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def compare(self, decision: Mapping[str, Any], row_of: Mapping[int, np.ndarray[Any, Any]]) -> None:
        """Hold every item of a decision against the recomputed row of its product."""
        for item in decision["items"]:
            self.compared += len(self.names)
            for name, served, should in self._differences(decision["feature_names"], item, row_of):
                self.wrong[name] += 1
                self.findings.append(
                    f"customer {decision['customer_id']}, product {item['product_id']}: "
                    f"{name} served {served:g}, lake {should:g}"
                )

    def result(self, name: str, decisions: int, *, at_least: int) -> ProofResult:
        """The verdict on so many decisions."""
        total = sum(self.wrong.values())
        worst = ", ".join(f"{feature} ({n})" for feature, n in self.wrong.most_common(4))
        return ProofResult(
            name=name,
            figure=f"{decisions:,} decisions, {self.compared:,} values, {total} differ"
            + (f": {worst}" if worst else ""),
            bound=f">= {at_least} decisions, 0 differ",
            passed=total == 0 and decisions >= at_least,
            findings=tuple(self.findings[:_SHOWN]),
            numbers={"decisions": decisions, "values": self.compared, "differences": total},
        )

    def _differences(
        self, names: Sequence[str], item: Mapping[str, Any], row_of: Mapping[int, np.ndarray[Any, Any]]
    ) -> list[tuple[str, float, float]]:
        row = row_of.get(item["product_id"])
        if tuple(names) != tuple(self.names):
            return [("feature_names", float(len(names)), float(len(self.names)))]
        if row is None:
            return [("candidate", 1.0, 0.0)]
        values = np.asarray(item["features"], dtype=np.float64)
        off = ~np.isclose(values, row.astype(np.float64), rtol=RELATIVE_TOLERANCE, atol=1e-6)
        return [(self.names[i], float(values[i]), float(row[i])) for i in np.flatnonzero(off).tolist()]


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
    tally = Tally(FEATURE_NAMES)
    tally.findings += [f"{count} decisions were degraded, with no features: {why}" for why, count in degraded.items()]
    table = reference.source.products.at(epoch_day(expected_as_of))
    for decision in served:
        as_of = datetime.fromisoformat(decision["features_as_of"])
        if as_of != expected_as_of:
            tally.wrong["features_as_of"] += 1
            tally.findings.append(
                f"customer {decision['customer_id']}: served as of {as_of:%F}, the lake is at {expected_as_of:%F}"
            )
            continue
        customer = int(np.searchsorted(reference.customer_ids, decision["customer_id"]))
        candidates, matrix = query_rows(reference.source, table, customer, epoch_day(as_of))
        tally.compare(
            decision, {int(reference.product_ids[p]): matrix[i] for i, p in enumerate(candidates.product_index)}
        )
    return tally.result("train/serve parity", len(served), at_least=500)
