"""What the ledger reads and what it finds, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Word(StrEnum):
    """The four ways in which an event can go wrong."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    MISROUTED = "misrouted"
    REORDERED = "reordered"


class Stage(StrEnum):
    """Where events are looked for, in the order in which they come there."""

    KAFKA = "kafka"
    BRONZE = "bronze"
    SILVER = "silver"
    DEAD_LETTERS = "dead_letters"
    FEATURES = "features"
    SESSIONS = "sessions"
    ARCHIVE = "archive"


Coordinate = tuple[str, int, int]
"""Topic, partition, offset."""


class Sent(NamedTuple):
    """A record as its producer meant it: `fate` is `silver`, `late`, `duplicate` or `quarantine:<REASON>`."""

    number: int
    topic: str
    event_id: str | None
    fate: str
    fault: str = "none"


class Seen(NamedTuple):
    """A record as it lies in Kafka. `number` is its producer's own, None where it bears none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    number: int | None

    @property
    def coordinate(self) -> Coordinate:
        """Where it lies."""
        return self.topic, self.partition, self.offset


class Row(NamedTuple):
    """A row of bronze."""

    coordinate: Coordinate
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is judged. A topic or a table that is not there is not in its mapping: it is not the same as empty.

    `ends` are the fates that silver, quarantine, late and duplicate tables give to coordinates, a doubled row twice.
    """

    sent: Sequence[Sent]
    topics: Mapping[str, Sequence[Seen]]
    bronze: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    ends: Sequence[tuple[Coordinate, str]] = ()
    archived: Mapping[str, Sequence[Row]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the ledger has to know of the run.

    `copies_allowed`: a producer was killed, so that a record may stand twice in Kafka (silver must not see it twice).
    `judge_strangers`: records without a producer's number get the fate that the contract gives them.
    """

    demanded: frozenset[Stage] = frozenset()
    copies_allowed: bool = False
    judge_strangers: bool = False
    allowed_lateness_ms: int = 7_200_000
    session_lateness_ms: int = 900_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is wrong: `subject` is an event id, or an entity with its minute; `ids` are the events behind."""

    word: Word
    subject: str
    detail: str
    ids: tuple[str, ...] = ()


@dataclass(slots=True)
class StageBalance:
    """What a stage accounts for. `unjudged` says what it could not look at, and why."""

    stage: Stage
    accounted: int = 0
    judged: bool = False
    copies: int = 0
    differences: list[Difference] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)

    def add(self, word: Word, subject: str, detail: str, ids: Iterable[str] = ()) -> None:
        """Note a difference."""
        self.differences.append(Difference(word, subject, detail, tuple(ids)))

    def count(self, word: Word) -> int:
        """How many differences of a kind."""
        return sum(difference.word is word for difference in self.differences)


@dataclass(frozen=True, slots=True)
class Balance:
    """The whole ledger."""

    sent: int
    stages: Sequence[StageBalance]
    demanded: frozenset[Stage]

    @property
    def missing(self) -> list[str]:
        """What was demanded and could not be judged."""
        asked = [stage for stage in self.stages if stage.stage in self.demanded]
        nothing = [f"{stage.stage}: nothing to judge" for stage in asked if not stage.judged and not stage.unjudged]
        return nothing + [f"{stage.stage}: {reason}" for stage in asked for reason in stage.unjudged]

    @property
    def balanced(self) -> bool:
        """Whether nothing is wrong and all that was demanded was judged."""
        return not self.missing and not any(stage.differences for stage in self.stages)

    def count(self, word: Word) -> int:
        """How many differences of a kind in all stages."""
        return sum(stage.count(word) for stage in self.stages)
