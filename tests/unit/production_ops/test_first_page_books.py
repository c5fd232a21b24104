"""The books of Kafka and the lake see a lost and a doubled record, and never call nothing a balance."""

from __future__ import annotations

import pytest

from production_ops.first_page.core.balance import as_json, books

CLICK = "shop.click.v1"
OFFSETS = {0: (0, 4), 1: (0, 2)}
BRONZE = [(0, 0), (0, 1), (0, 2), (1, 0)]
ENDS = [
    ((CLICK, 0, 0), "silver"),
    ((CLICK, 0, 1), "quarantine:SCHEMA"),
    ((CLICK, 0, 2), "late"),
    ((CLICK, 1, 0), "duplicate"),
    (("shop.payment.v1", 0, 0), "silver"),
]


def test_what_is_in_the_lake_once_balances_and_what_is_not_yet_there_waits() -> None:
    found = as_json([books(CLICK, OFFSETS, BRONZE, ENDS)])

    assert found["balanced"] is True
    assert (found["sent"], found["judged"], found["waiting"]) == (6, 4, 2)
    assert found["topics"][0] == {
        "topic": CLICK, "sent": 6, "judged": 4, "waiting": 2, "lost": 0, "doubled": 0, "silver": 1, "duplicate": 1,
        "late": 1, "quarantine": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bronze", "ends", "lost", "doubled"),
    [
        ([(0, 0), (0, 2), (1, 0)], ENDS, 1, 0),  # a hole in bronze
        (BRONZE, ENDS[1:], 1, 0),  # in bronze, ended nowhere
        ([*BRONZE, (0, 1)], ENDS, 0, 1),  # twice in bronze
        (BRONZE, [*ENDS, ENDS[0]], 0, 1),  # twice in silver
        (BRONZE, [*ENDS, ((CLICK, 0, 0), "late")], 0, 1),  # in two tables
        (BRONZE, [], 4, 0),  # an emptied silver
    ],
)
def test_a_planted_fault_is_seen(
    bronze: list[tuple[int, int]], ends: list[tuple[tuple[str, int, int], str]], lost: int, doubled: int
) -> None:
    found = as_json([books(CLICK, OFFSETS, bronze, ends)])

    assert (found["lost"], found["doubled"], found["balanced"]) == (lost, doubled, False)


def test_an_empty_lake_is_no_balance() -> None:
    found = as_json([books(CLICK, OFFSETS, [], [])])

    assert (found["judged"], found["waiting"], found["lost"], found["balanced"]) == (0, 6, 0, False)


def test_what_kafka_has_deleted_by_its_age_is_not_lost() -> None:
    found = books(CLICK, {0: (2, 4)}, [(0, 0), (0, 1), (0, 2), (0, 3)], [((CLICK, 0, n), "silver") for n in range(4)])

    assert (found.sent, found.waiting, found.lost) == (2, 0, 0)


def test_a_topic_without_records_is_left_out() -> None:
    assert as_json([books(CLICK, {0: (0, 0)}, [], [])])["topics"] == []
