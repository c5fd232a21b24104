"""When a planted fault counts as seen."""

from __future__ import annotations

import pytest

from production_ops.proofs.result import ProofResult
from production_ops.prove.__main__ import saw


@pytest.mark.parametrize(
    ("passed", "findings", "seen"),
    [(False, ("lost after Kafka: offset=3",), True), (True, (), False), (False, (), False)],
)
def test_a_proof_must_fail_and_say_at_what(passed: bool, findings: tuple[str, ...], seen: bool) -> None:
    assert saw(ProofResult("event ledger", "", "", passed, findings)) is seen
