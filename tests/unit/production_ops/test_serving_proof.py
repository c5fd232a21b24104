"""The proof of the API's answers goes red for a failed, a slow and too many degraded ones."""

from __future__ import annotations

import pytest

from production_ops.proofs.result import ProofResult
from production_ops.proofs.serving import answers_in_budget


def proof(statuses: list[int] | None = None, degraded: int = 0, slow: int = 0) -> ProofResult:
    statuses = statuses or [200] * 200
    reasons = [["deadline"]] * degraded + [[]] * (len(statuses) - degraded)
    waits = [400.0] * slow + [9.0] * (len(statuses) - slow)
    return answers_in_budget(statuses, reasons, waits, [1.0] * 50)


def test_healthy_answers_pass() -> None:
    assert proof().passed
    assert "0 not 200, 0 degraded" in proof().figure


def test_a_few_degraded_answers_are_counted_with_their_reason() -> None:
    result = proof(degraded=2)
    assert result.passed
    assert result.numbers["degraded"] == 2
    assert result.findings == ("2 answers degraded: deadline",)


@pytest.mark.parametrize("planted", [{"degraded": 3}, {"slow": 11}, {"statuses": [200] * 199 + [500]}])
def test_planted_faults_turn_it_red(planted: dict[str, object]) -> None:
    assert not proof(**planted).passed  # type: ignore[arg-type]
