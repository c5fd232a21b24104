"""Each record is stored or refused with its reason, and of one place only the newest is stored."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from contracts.topics_names import CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE
from feature_store.core.live_packing import stamp_of, unpack_visit
from feature_store.online_store.live_records import Judge, LiveUpdate, ProductMinute, Visit, letter, update_of
from feature_store.online_store.live_store import newest_of, place_of
from shared_utils.records import Record
from tests.fakes.live_records import NOON, customer_event, history, product_event, received, record, touch, visit_event

MINUTE = timedelta(minutes=1)


def test_every_record_is_on_exactly_one_side() -> None:
    good = record(CUSTOMER_FEATURE, customer_event(1, NOON))
    bad = Record(CUSTOMER_FEATURE, b"1", b"{", 5, {"traceparent": b"t"})
    judged = Judge().part([received(good, 0), received(bad, 1), received(good, 2)])
    assert [r.offset for r in judged.accepted] == [0, 2]
    assert len(judged.updates) == 2
    assert [(r.offset, refusal.reason) for r, refusal in judged.refused] == [(1, "PARSE")]


def test_a_letter_says_why_and_from_where() -> None:
    bad = received(Record(PRODUCT_FEATURE, b"9", b"\xff{", 5, {"traceparent": b"t"}), 12, 1)
    ((record_, refusal),) = Judge().part([bad]).refused
    sent = letter(record_, refusal)
    assert (sent.topic, sent.key, sent.value) == ("features.product.v1.dlq", b"9", b"\xff{")
    assert sent.headers.pop("detail")  # type: ignore[attr-defined]
    assert sent.headers == {
        "traceparent": b"t",
        "reason": b"PARSE",
        "source_topic": b"features.product.v1",
        "source_partition": b"1",
        "source_offset": b"12",
        "source_timestamp_ms": b"5",
    }


@pytest.mark.parametrize(
    ("topic", "event", "problem"),
    [
        (CUSTOMER_FEATURE, customer_event(1, NOON + timedelta(seconds=1)), "not the first instant"),
        (PRODUCT_FEATURE, {**product_event(1, NOON), "event_time": "2026-11-20T12:01:00.000Z"}, "outside the minute"),
        (CUSTOMER_FEATURE, customer_event(1, NOON, products=[touch(1, NOON + MINUTE)]), "outside the minute"),
    ],
)
def test_a_record_that_is_no_minute_is_refused(topic: str, event: dict[str, object], problem: str) -> None:
    ((_, refusal),) = Judge().part([received(record(topic, event), 0)]).refused
    assert refusal.reason == "SEMANTIC"
    assert problem in refusal.detail


@pytest.mark.parametrize(
    ("topic", "event", "happened"),
    [
        (CUSTOMER_FEATURE, customer_event(1, NOON), NOON + timedelta(seconds=41)),
        (SESSION_FEATURE, visit_event(1, NOON, seconds=60), NOON + timedelta(seconds=60)),
    ],
)
def test_a_record_from_the_future_is_refused(topic: str, event: dict[str, object], happened: datetime) -> None:
    def refused(lead: timedelta) -> list[str]:
        judged = Judge().part([received(record(topic, event, arrival=happened - lead), 0)])
        return [refusal.reason for _, refusal in judged.refused]

    assert refused(timedelta(seconds=300)) == []
    assert refused(timedelta(seconds=301)) == ["FUTURE"]


def newest(updates: list[LiveUpdate]) -> dict[object, bytes]:
    return {place_of(update): update.blob for update in newest_of(updates)}


def test_the_newest_of_a_place_does_not_depend_on_the_order() -> None:
    updates = [update_of(received(sent, n)) for n, sent in enumerate(history(3))]
    expected = newest(updates)
    assert len(expected) < len(updates)
    for seed in range(5):
        shuffled = updates + random.Random(seed).sample(updates, len(updates) // 2)
        random.Random(seed).shuffle(shuffled)
        assert newest(shuffled) == expected


def test_a_correction_of_a_visit_wins_by_arrival_and_an_older_visit_never() -> None:
    first, older = visit_event(1, NOON, views=1), visit_event(1, NOON - MINUTE, views=3)
    corrected = {**first, "views": 2}
    sent = [record(SESSION_FEATURE, first), record(SESSION_FEATURE, corrected), record(SESSION_FEATURE, older)]
    updates = [update_of(received(r, offset)) for offset, r in enumerate(sent)]
    for order in (updates, updates[::-1]):
        (kept,) = newest_of(order)
        assert isinstance(kept, Visit)
        assert unpack_visit(kept.blob).views == 2


def test_the_activity_of_a_product_counts_what_was_done_with_it() -> None:
    event = product_event(9, NOON, views=3, adds=2, purchases=1, spend_cents=500)
    update = update_of(received(record(PRODUCT_FEATURE, event), 4))
    assert isinstance(update, ProductMinute)
    assert (update.activity, stamp_of(update.blob).offset) == (6, 4)
