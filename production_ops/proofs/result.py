"""What a proof answers: a figure, its bound and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProofResult:
    """One line of the verdict.

    `figure` is what was measured, `bound` what it must meet, `findings` the first differences found, in words that
    name ids (empty where the proof holds).
    """

    name: str
    figure: str
    bound: str
    passed: bool
    findings: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """PASS or FAIL."""
        return "PASS" if self.passed else "FAIL"
