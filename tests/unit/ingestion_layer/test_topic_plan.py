from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.registry import topic
from contracts.topics_names import CLICK
from ingestion_layer.kafka.topics.plan import Action, State, plan

CLICKS = replace(topic(CLICK), partitions=2, retention_ms=-1, cleanup_policy="delete")
AS_WANTED = State(partitions=2, retention_ms=-1, cleanup_policy="delete")
HOUR = 3_600_000


def actions(wanted_partitions: int, retention_ms: int, policy: str, found: State | None, **flags: bool) -> list[Action]:
    wanted = replace(CLICKS, partitions=wanted_partitions, retention_ms=retention_ms, cleanup_policy=policy)
    return [change.action for change in plan([wanted], {CLICK: found} if found else {}, **flags)]


@pytest.mark.parametrize(
    ("partitions", "retention_ms", "policy", "found", "expected"),
    [
        (2, -1, "delete", None, [Action.CREATE]),
        (2, -1, "delete", AS_WANTED, [Action.NOTHING]),
        (3, -1, "delete", AS_WANTED, [Action.EXTEND]),
        (1, -1, "delete", AS_WANTED, [Action.REFUSE]),
        (2, -1, "compact", AS_WANTED, [Action.REFUSE]),
        (2, HOUR, "delete", AS_WANTED, [Action.REFUSE]),
        (2, HOUR, "delete", State(2, 2 * HOUR, "delete"), [Action.REFUSE]),
        (2, HOUR, "delete", State(2, 1, "delete"), [Action.CONFIGURE]),
        (2, -1, "delete", State(2, HOUR, "delete"), [Action.CONFIGURE]),
        (3, -1, "delete", State(2, HOUR, "delete"), [Action.EXTEND, Action.CONFIGURE]),
    ],
)
def test_the_plan(partitions: int, retention_ms: int, policy: str, found: State | None, expected: list[Action]) -> None:
    assert actions(partitions, retention_ms, policy, found) == expected


def test_a_loss_can_be_accepted_but_a_shrink_cannot() -> None:
    assert actions(2, HOUR, "delete", AS_WANTED, allow_data_loss=True) == [Action.CONFIGURE]
    assert actions(2, -1, "compact", AS_WANTED, allow_data_loss=True) == [Action.CONFIGURE]
    assert actions(1, -1, "delete", AS_WANTED, allow_data_loss=True) == [Action.REFUSE]


def test_a_topic_without_a_contract_is_left_alone() -> None:
    assert plan([], {"somebody.else": AS_WANTED}) == []
