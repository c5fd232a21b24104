"""What must change so that the broker's topics are those of the contracts: a pure comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contracts.registry import Topic


class Action(StrEnum):
    """What happens to a topic."""

    CREATE = "create"
    EXTEND = "extend"
    CONFIGURE = "configure"
    NOTHING = "as it should be"
    REFUSE = "refused"


@dataclass(frozen=True, slots=True)
class State:
    """A topic as the broker has it."""

    partitions: int
    retention_ms: int
    cleanup_policy: str


@dataclass(frozen=True, slots=True)
class Change:
    """One action on one topic and why."""

    topic: Topic
    action: Action
    why: str = ""


def plan(wanted: Iterable[Topic], found: Mapping[str, State], *, allow_data_loss: bool = False) -> list[Change]:
    """One or more changes for each wanted topic. Topics that no contract names are left alone.

    Refused: fewer partitions (Kafka cannot), and, unless `allow_data_loss`, another cleanup policy or a shorter
    retention, because both delete what consumers may still need.
    """
    return [change for topic in wanted for change in _changes(topic, found.get(topic.name), allow_data_loss)]


def _changes(topic: Topic, state: State | None, allow_data_loss: bool) -> list[Change]:
    if state is None:
        return [Change(topic, Action.CREATE)]
    if topic.partitions < state.partitions:
        return [Change(topic, Action.REFUSE, f"{state.partitions} partitions cannot become {topic.partitions}")]
    loss = _loss(topic, state)
    if loss and not allow_data_loss:
        return [Change(topic, Action.REFUSE, loss)]
    changes = []
    if topic.partitions > state.partitions:
        why = f"{state.partitions} → {topic.partitions} partitions: keys move, the order per key holds from here on"
        changes.append(Change(topic, Action.EXTEND, why))
    if (topic.retention_ms, topic.cleanup_policy) != (state.retention_ms, state.cleanup_policy):
        changes.append(
            Change(topic, Action.CONFIGURE, loss or f"retention.ms {state.retention_ms} → {topic.retention_ms}")
        )
    return changes or [Change(topic, Action.NOTHING)]


def _loss(topic: Topic, state: State) -> str:
    if topic.cleanup_policy != state.cleanup_policy:
        return f"cleanup.policy {state.cleanup_policy} → {topic.cleanup_policy} deletes records"
    for_ever = -1
    shorter = topic.retention_ms != for_ever and (
        state.retention_ms == for_ever or topic.retention_ms < state.retention_ms
    )
    return f"retention.ms {state.retention_ms} → {topic.retention_ms} deletes records" if shorter else ""
