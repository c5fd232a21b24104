"""A click moves the next shelf, and what moved it equals the lake.

Two proofs on the same clicks: the shelves before and after, and every feature of the served lists (nightly and live)
recomputed from silver and from the archive of the live features, point in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from data_lake.storage import LakeRoot
from feature_store.live_history import customer_minutes_as_of
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.live import LIVE_FEATURE_NAMES, Session, live_matrix
from ml_modeling.core.states import Float32Array, FloatArray, ProductTable
from ml_modeling.core.training_set import query_rows
from production_ops.proofs.parity import Reference, Tally
from production_ops.proofs.result import ProofResult
from shared_utils.time_utils import epoch_day

NAMES: Final = (*FEATURE_NAMES, *LIVE_FEATURE_NAMES)
WAIT_BOUND_MS: Final = 1_000.0
_SHOWN: Final = 6


@dataclass(frozen=True, slots=True)
class Reaction:
    """One shopper: what was clicked, the shelves around it, and how long the newer one took.

    `before` and `after` are answers of the API; `wait_ms` runs from Kafka's acknowledgement of the last click to the
    answer that names it, None when none did in time. `clicked` are product ids, all of `category`.
    """

    customer_id: int
    category: str
    clicked: Sequence[int]
    event_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    wait_ms: float | None

    def of_category(self, answer: Mapping[str, Any]) -> int:
        """Products of the clicked category on a shelf."""
        return sum(item["category"] == self.category for item in answer["items"])


def shelf_reacts(reactions: Sequence[Reaction]) -> ProofResult:
    """Every shelf names its newest click, shows what was clicked, and differs from the one before."""
    waits = [r.wait_ms for r in reactions if r.wait_ms is not None]
    findings = [text for reaction in reactions for text in _wrong(reaction)]
    p50, p95 = np.percentile(waits, [50, 95]) if waits else (float("nan"), float("nan"))
    before, after = (float(np.mean([r.of_category(a) for r, a in pairs])) if reactions else 0.0
                     for pairs in ([(r, r.before) for r in reactions], [(r, r.after) for r in reactions]))  # fmt: skip
    moved = len(reactions) - len({r.customer_id for r in reactions if _wrong(r)})
    return ProofResult(
        name="the shelf reacts",
        figure=(
            f"{moved} of {len(reactions)} shelves moved; products of the clicked category {before:.1f} -> {after:.1f} "
            f"of 10; click acknowledged to answer p50 {p50:.0f} ms, p95 {p95:.0f} ms"
        ),
        bound=f"all moved, p50 <= {WAIT_BOUND_MS:,.0f} ms",
        passed=bool(reactions) and not findings and float(p50) <= WAIT_BOUND_MS,
        findings=tuple(findings[:_SHOWN]),
        numbers={"shelves": len(reactions), "moved": moved, "p50_ms": float(p50), "p95_ms": float(p95)},
    )


def _wrong(reaction: Reaction) -> list[str]:
    who = f"customer {reaction.customer_id}"
    if reaction.wait_ms is None:
        return [f"{who}: no answer named click {reaction.event_id} in time"]
    before, after = ([item["product_id"] for item in a["items"]] for a in (reaction.before, reaction.after))
    said = []
    if before == after:
        said.append(f"{who}: the shelf is the same as before click {reaction.event_id}")
    missing = set(reaction.clicked) - set(after)
    if missing:
        said.append(f"{who}: clicked products {sorted(missing)} are not on the shelf")
    return said


def live_parity(
    decisions: Sequence[Mapping[str, Any]],
    reference: Reference,
    lake_root: LakeRoot,
    score: Callable[[Float32Array], FloatArray],
    known_by: datetime,
) -> ProofResult:
    """Recompute every feature of every item that live features ranked.

    Args:
        decisions: values of `decisions.recommendation.v1` that were made with live features.
        reference: nightly states from silver.
        lake_root: where the archive of the live features lies.
        score: the registered model's scorer.
        known_by: the archive up to this instant counts; nothing may have come between a decision and it.
    """
    tally = Tally(NAMES)
    tables: dict[int, ProductTable] = {}
    for decision in decisions:
        day = epoch_day(datetime.fromisoformat(decision["features_as_of"]))
        if day not in tables:
            tables[day] = reference.source.products.at(day)
        tally.compare(decision, _recomputed(decision, reference, tables[day], day, lake_root, score, known_by))
    return tally.result("live features = lake", len(decisions), at_least=1)


def _recomputed(
    decision: Mapping[str, Any],
    reference: Reference,
    table: ProductTable,
    day: int,
    lake_root: LakeRoot,
    score: Callable[[Float32Array], FloatArray],
    known_by: datetime,
) -> dict[int, FloatArray]:
    """The row of each candidate by product id; none when the lake does not know the decision's newest event."""
    minutes = customer_minutes_as_of(lake_root, decision["customer_id"], known_by)
    if minutes is None or minutes.last_of(np.ones(len(minutes.minute), bool)).event_id != decision["live_event_id"]:
        return {}
    copurchase = reference.source.snapshot_at(day).copurchase
    as_of = datetime.fromisoformat(decision["live_as_of"])
    session = Session.of(minutes.touches, as_of, reference.product_ids, copurchase)
    if session is None:
        return {}
    customer = int(np.searchsorted(reference.customer_ids, decision["customer_id"]))
    candidates, matrix = query_rows(reference.source, table, customer, day, session=session.candidates(copurchase))
    live = live_matrix(session, candidates.product_index, score(matrix), table, copurchase)
    rows = np.concatenate((matrix.astype(np.float64), live), axis=1)
    return {int(reference.product_ids[p]): rows[i] for i, p in enumerate(candidates.product_index)}
