"""Visits and minute features against brute force, on the real cluster: in calm, in disorder, and through kills."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE, TRANSACTION, late_name
from data_sources.malformed import malformations
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from tests.fakes import flink_world
from tests.fakes.flink_cluster import FlinkUnderTest, comparable, newest, wait_until
from tests.fakes.flink_world import Expected, World, closing, expect, is_next_span, make

pytestmark = [pytest.mark.flink, pytest.mark.kafka, pytest.mark.timeout(1_500)]

NAMES = ["kafka", "flink_jobmanager", "flink_taskmanager"]
CLICKS = int(os.environ.get("FLINK_TEST_CLICKS", "50000"))
LATENESS_SECONDS = 900
CLOSING_CLICKS = 40
PATIENCE = 600.0
SESSIONS, MINUTES = "session_aggregator", "realtime_features"


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkUnderTest]:
    with LocalStack(tmp_path_factory.mktemp("flink"), NAMES) as stack:
        yield FlinkUnderTest(
            stack,
            SHOP_FLINK__CHECKPOINT_INTERVAL_MS="1000",
            SHOP_FLINK__SESSION_LATENESS_SECONDS=str(LATENESS_SECONDS),
        )


def expectation(flink: FlinkUnderTest, world: World) -> Expected:
    received = [*flink.received(CLICK), *flink.received(TRANSACTION)]
    closed_ms = max(r.timestamp_ms or 0 for r in world.records) + 12 * 60 * flink_world.MINUTE_MS
    return expect(received, lateness_ms=LATENESS_SECONDS * 1000, closed_before_ms=closed_ms)


@dataclass(frozen=True)
class Written:
    """What the jobs wrote, read once; every value was accepted by its contract."""

    sessions: list[dict[str, Any]]
    late: list[dict[str, Any]]
    customers: list[dict[str, Any]]
    products: list[dict[str, Any]]

    @property
    def rows(self) -> list[tuple[object, ...]]:
        return [tuple(value.values()) for value in self.sessions]


def read_written(flink: FlinkUnderTest) -> Written:
    return Written(
        flink.values(SESSION_FEATURE),
        flink.values(late_name(CLICK), CLICK),
        flink.values(CUSTOMER_FEATURE),
        flink.values(PRODUCT_FEATURE),
    )


def with_products(states: dict[tuple[int, str], Any]) -> dict[tuple[int, str], Any]:
    return {key: {**state, "products": state.get("products", [])} for key, state in states.items()}


@pytest.fixture(scope="module")
def world(flink: FlinkUnderTest) -> World:
    world = make(CLICKS)
    flink.send(world.records)
    flink.close_visits(closing(world))
    return world


@pytest.fixture(scope="module")
def expected(flink: FlinkUnderTest, world: World) -> Expected:
    jobs = [(flink.start(SESSIONS), [CLICK]), (flink.start(MINUTES), [CLICK, TRANSACTION])]
    began = time.monotonic()
    expected = expectation(flink, world)
    for job, topics in jobs:
        flink.wait_consumed(job, topics, PATIENCE)
    wait_until(lambda: len(flink.received(SESSION_FEATURE)) >= len(expected.sessions), PATIENCE, "all visits")
    print(f"{CLICKS} clicks read by both jobs within {time.monotonic() - began:.0f} s")
    return expected


@pytest.fixture(scope="module")
def written(flink: FlinkUnderTest, expected: Expected) -> Written:
    return read_written(flink)


def test_visits_are_those_of_brute_force(written: Written, expected: Expected) -> None:
    assert len(written.rows) == len(set(written.rows))
    assert set(written.rows) == expected.sessions
    assert len(expected.sessions) > CLICKS / 100


def test_every_click_is_in_one_visit_or_in_the_late_topic(written: Written, expected: Expected) -> None:
    late = [value["event_id"] for value in written.late]
    assert sorted(late) == sorted(expected.late_ids)
    assert len(late) > CLICKS / 1_000
    in_visits = sum(value["events"] for value in written.sessions)
    assert in_visits + len(late) + CLOSING_CLICKS == len(expected.click_ids)


def test_a_late_click_says_where_it_came_from(flink: FlinkUnderTest, expected: Expected) -> None:
    by_place = {(r.partition, r.offset): json.loads(r.value or b"") for r in flink.received(CLICK)}
    for record in flink.received(late_name(CLICK)):
        place = (int(record.headers["source_partition"]), int(record.headers["source_offset"]))
        assert json.loads(record.value or b"") == by_place[place]
        assert (record.headers["reason"], record.headers["source_topic"]) == (b"LATE", CLICK.encode())


def test_minutes_are_those_of_brute_force(written: Written, expected: Expected) -> None:
    assert comparable(newest(written.customers, "customer_id")) == with_products(expected.customers)
    assert comparable(newest(written.products, "product_id")) == expected.products


def test_each_event_sends_one_record_with_its_trace(flink: FlinkUnderTest, expected: Expected) -> None:
    sent: Counter[tuple[int, str]] = Counter()
    for record in flink.received(CUSTOMER_FEATURE):
        value = json.loads(record.value or b"")
        assert is_next_span(record.headers["traceparent"], expected.traces[value["last_event_id"]])
        sent[value["customer_id"], value["bucket_start"]] += 1
    assert sent == {key: state["version"] for key, state in expected.customers.items()}


@pytest.mark.parametrize("off_ms", [-1, 1])
def test_the_world_shows_a_gap_that_is_a_millisecond_off(expected: Expected, off_ms: int) -> None:
    assert len(_starts(expected, flink_world.GAP_MS + off_ms)) != len(_starts(expected, flink_world.GAP_MS))


def _starts(expected: Expected, gap_ms: int) -> set[tuple[int, str]]:
    return {
        (customer, flink_world.iso(visit[0]["ms"]))
        for customer, events in expected.in_time.items()
        for visit in flink_world.visits(events, gap_ms)
    }


def test_the_world_shows_a_repeat_that_is_counted(flink: FlinkUnderTest, expected: Expected) -> None:
    clicks = flink.received(CLICK)
    ids = Counter(json.loads(record.value or b"")["event_id"] for record in clicks)
    assert sum(count - 1 for count in ids.values()) > CLICKS / 100
    assert len(ids) == len(expected.click_ids)


# A typed reading cannot see these: the contract refuses them, the jobs count them. A closed one leaves the list.
KNOWN_GAPS = {
    CLICK: {
        "byte_order_mark",
        "repeated_key",
        "two_documents",
        "unknown_field",
        "key_as_text",
        "key_as_fraction",
        "impossible_day",
        "list_of_events",
    },
}
KNOWN_GAPS[TRANSACTION] = {
    *KNOWN_GAPS[CLICK],
    "negative_cents",
    "quantity_out_of_range",
    "wrong_total",
    "repeated_line_number",
}


def test_malformed_events_stop_nothing_and_all_but_the_known_kinds_are_refused(
    flink: FlinkUnderTest, written: Written
) -> None:
    rng, names = random.Random(5), {}
    for topic, valid in ((CLICK, flink_world.click), (TRANSACTION, flink_world.basket)):
        for kind in malformations(topic):
            customer = 700_000 + len(names)
            names[customer] = (topic, kind.name)
            event = valid(rng, customer, flink_world.BASE_MS, *(["view"] if topic == CLICK else []))
            flink.send([Record(topic, str(customer).encode(), kind.spoil(event), flink_world.BASE_MS)])
    job = flink.cluster.running(MINUTES)
    assert job is not None
    flink.wait_consumed(job, [CLICK, TRANSACTION], PATIENCE)

    counted = {json.loads(record.value or b"")["customer_id"] for record in flink.received(CUSTOMER_FEATURE)}
    slipped = {names[customer] for customer in counted & names.keys()}
    assert slipped == {(topic, name) for topic, kinds in KNOWN_GAPS.items() for name in kinds}
