"""What the API answered, and how long it took beside the emptiest route of the same server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from production_ops.proofs.result import ProofResult

BUDGET_MS = 150.0
MAX_DEGRADED_RATIO = 0.01
"""Without a fault, only a machine that stalls for the length of a time-out makes an answer degraded."""


def answers_in_budget(
    statuses: Sequence[int], degraded: Sequence[Sequence[str]], waits_ms: Sequence[float], floor_ms: Sequence[float]
) -> ProofResult:
    """All answers are 200, nearly none is degraded, and 95 of 100 come inside the request budget (R4).

    Waits are the client's (ms); `degraded` has the reasons of each answer, none for a whole one.
    """
    p50, p95 = np.percentile(waits_ms, [50, 95])
    floor50, floor95 = np.percentile(floor_ms, [50, 95])
    codes = Counter(statuses)
    failed = len(statuses) - codes[200]
    reasons = Counter(", ".join(each) for each in degraded if each)
    fewer = reasons.total()
    return ProofResult(
        name="API answers",
        figure=(
            f"{len(statuses):,} requests, {failed} not 200, {fewer} degraded; p50 {p50:.1f} ms, p95 {p95:.1f} ms "
            f"(empty route {floor50:.1f}, {floor95:.1f})"
        ),
        bound=f"all 200, degraded <= {MAX_DEGRADED_RATIO:.0%}, p95 <= {BUDGET_MS:.0f} ms",
        passed=failed == 0 and fewer <= MAX_DEGRADED_RATIO * len(statuses) and float(p95) <= BUDGET_MS,
        findings=(
            *(f"{count} answers with status {code}" for code, count in codes.items() if code != 200),
            *(f"{count} answers degraded: {why}" for why, count in reasons.items()),
        ),
        numbers={"p50_ms": float(p50), "p95_ms": float(p95), "floor_p50_ms": float(floor50), "degraded": fewer},
    )
