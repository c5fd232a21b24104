"""What a run leaves for the verdict and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from production_ops.demo.steps import Timeline
from production_ops.demo.traffic import Answer
from production_ops.proofs.live_shelf import Reaction
from production_ops.proofs.result import ProofResult
from shared_utils.local_stack import LocalStack


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the run: seconds from its start to ready, and its highest resident memory (bytes)."""

    name: str
    startup_seconds: float
    peak_bytes: int


@dataclass(slots=True)
class Outcome:
    """Filled as the run goes on."""

    results: list[ProofResult] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    floor: Sequence[float] = ()
    reactions: Sequence[Reaction] = ()
    servers: list[Server] = field(default_factory=list)

    def note_servers(self, stack: LocalStack) -> None:
        """Note what the servers of `stack` took; before they are stopped or after."""
        self.servers += [Server(n, stack.startup_seconds(n), stack.peak_rss_bytes(n)) for n in stack.names]
