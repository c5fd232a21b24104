"""What goes into a packed record comes out of it, and nothing else does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.topics_names import FEATURE_TOPICS
from contracts.validators.validate_kafka_event import Validator
from feature_store.core.live_packing import (
    LiveStamp,
    minute_of,
    pack_customer_minute,
    pack_product_minute,
    pack_visit,
    stamp_of,
    unpack_customer_minutes,
    unpack_product_minutes,
    unpack_visit,
)
from feature_store.core.live_windows import ADD, VIEW
from shared_utils.errors import DataError
from shared_utils.time_utils import ms_of
from tests.fakes.live_records import NOON, TRACE, customer_event, history, product_event, touch, visit_event

LARGEST = 2**53 - 1
stamps = st.tuples(st.integers(1, 10**9), st.integers(0, LARGEST), st.integers(0, LARGEST))
counts = st.integers(0, 10**9)


def test_the_fakes_are_valid_by_contract() -> None:
    validators = {topic: Validator(topic) for topic in FEATURE_TOPICS}
    sent = history(1)
    assert {record.topic for record in sent} == set(FEATURE_TOPICS)
    assert [validators[record.topic].reason(record.value) for record in sent] == [None] * len(sent)


@given(
    stamps, counts, st.lists(st.tuples(st.integers(1, 2**63 - 1), st.integers(0, 59_999), st.booleans()), max_size=6)
)
def test_a_customer_minute_comes_back(
    stamp: tuple[int, int, int], views: int, seen: list[tuple[int, int, bool]]
) -> None:
    products = [touch(p, NOON + timedelta(milliseconds=ms), "add" if add else "view") for p, ms, add in seen]
    event = customer_event(7, NOON, version=stamp[0], views=views, spend_cents=500_000_000_000, products=products)
    blob = pack_customer_minute(event, stamp[1], stamp[2], TRACE.encode())
    other = pack_customer_minute(customer_event(7, NOON + timedelta(minutes=1), adds=2), 0, 0, None)
    found = unpack_customer_minutes({minute_of(event): blob, minute_of(event) + 1: other})
    assert stamp_of(blob) == LiveStamp(*stamp)
    assert found.minute.tolist() == [minute_of(event), minute_of(event) + 1]
    assert {name: column.tolist() for name, column in found.sums.items()} == {
        "views": [views, 0],
        "adds": [0, 2],
        "purchases": [0, 0],
        "spend_cents": [500_000_000_000, 0],
    }
    assert found.touches.product_id.tolist() == [product for product, _, _ in seen]
    assert found.touches.event_ms.tolist() == [ms_of(p["event_time"]) for p in products]
    assert found.touches.action.tolist() == [ADD if add else VIEW for _, _, add in seen]
    last = found.last_of(found.minute == minute_of(event))
    assert (last.event_ms, last.arrival_ms) == (ms_of(event["event_time"]), stamp[1])
    assert (last.event_id, last.traceparent) == (event["last_event_id"], TRACE)
    assert found.last_of(found.minute > minute_of(event)).traceparent is None


@pytest.mark.parametrize("header", [None, b"", b"00-xyz", b"\xff", TRACE.encode()[:-1]])
def test_a_traceparent_that_is_none_is_left_out(header: bytes | None) -> None:
    event = customer_event(7, NOON)
    found = unpack_customer_minutes({minute_of(event): pack_customer_minute(event, 0, 0, header)})
    assert found.last_of(found.minute > 0).traceparent is None


@given(stamps, counts)
def test_a_product_minute_comes_back(stamp: tuple[int, int, int], adds: int) -> None:
    event = product_event(9, NOON, version=stamp[0], adds=adds, spend_cents=123)
    blob = pack_product_minute(event, *stamp[1:])
    found = unpack_product_minutes({minute_of(event): blob})
    assert stamp_of(blob) == LiveStamp(*stamp)
    assert (found.sums["adds"].tolist(), found.sums["spend_cents"].tolist()) == ([adds], [123])


def test_a_visit_comes_back() -> None:
    event = visit_event(7, NOON, seconds=90, views=4, categories=2)
    visit = unpack_visit(pack_visit(event, 5, 6))
    assert visit.stamp == LiveStamp(ms_of(event["event_time"]), 5, 6)
    assert (visit.session_start_ms, visit.session_end_ms) == (
        ms_of(event["session_start"]),
        ms_of(event["session_end"]),
    )
    assert {
        name: getattr(visit, name) for name in ("events", "views", "categories", "duration_seconds", "converted")
    } == {
        "events": 3,
        "views": 4,
        "categories": 2,
        "duration_seconds": 90.0,
        "converted": False,
    }


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"\2" + b[1:], lambda b: b[:20]])
def test_a_damaged_record_is_an_error(damage: object) -> None:
    assert callable(damage)
    customer = pack_customer_minute(customer_event(7, NOON, products=[touch(1, NOON)]), 0, 0, None)
    with pytest.raises(DataError):
        unpack_customer_minutes({1: damage(customer)})
    with pytest.raises(DataError):
        unpack_visit(damage(pack_visit(visit_event(7, NOON), 0, 0)))
