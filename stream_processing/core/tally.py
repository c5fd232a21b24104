"""What became of the rows of a stream, counted; and when there is too much refuse among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared_utils.errors import RejectRatioError

Fate = tuple[str, str | None]


@dataclass
class Tally:
    """Counts of one stream's run by (fate, reason)."""

    topic: str
    batches: int = 0
    seconds: float = 0.0
    fates: Counter[Fate] = field(default_factory=Counter)

    def add(self, fates: Mapping[Fate, int], seconds: float) -> None:
        """Count one finished batch."""
        self.fates.update(fates)
        self.batches += 1
        self.seconds += seconds

    def count(self, fate: str) -> int:
        """Rows of one fate."""
        return of_fate(self.fates, fate)

    @property
    def received(self) -> int:
        """Rows read from Kafka."""
        return sum(self.fates.values())

    def report(self) -> dict[str, object]:
        """The counts as JSON; `quarantine` is by reason, `seconds` is time spent inside batches."""
        reasons = {reason: n for (_, reason), n in sorted(self.fates.items(), key=str) if reason is not None}
        return {
            "received": self.received,
            "silver": self.count("silver"),
            "late": self.count("late"),
            "duplicate": self.count("duplicate"),
            "quarantine": reasons,
            "batches": self.batches,
            "seconds": round(self.seconds, 3),
        }


def of_fate(fates: Mapping[Fate, int], fate: str) -> int:
    """Rows of one fate in a count by (fate, reason)."""
    return sum(n for (name, _), n in fates.items() if name == fate)


def check_reject_ratio(topic: str, fates: Mapping[Fate, int], *, limit: float, min_rows: int) -> None:
    """Stop a stream whose producer has gone wrong. A batch of fewer than `min_rows` rows proves nothing.

    Raises:
        RejectRatioError: more than `limit` of the batch is refused.
    """
    rows, refused = sum(fates.values()), of_fate(fates, "quarantine")
    if rows < min_rows or refused <= limit * rows:
        return
    reasons = ", ".join(f"{n} {reason}" for (_, reason), n in sorted(fates.items(), key=str) if reason is not None)
    raise RejectRatioError(
        f"{topic}: {refused} of {rows} rows of a batch are refused ({reasons}), above the limit of {limit:.0%}; "
        "bronze holds them all, nothing else was written.",
        "Correct the producer or the contract; or accept them with SHOP_LAKE__MAX_REJECT_RATIO and start again.",
    )
