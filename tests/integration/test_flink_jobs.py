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
from contracts.validators.validate_kafka_event import Validator
from data_sources.malformed import malformations
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from tests.fakes import flink_world
from tests.fakes.flink_cluster import FlinkUnderTest, comparable, newest, wait_until
from tests.fakes.flink_world import Expected, World, closing, expect, is_next_span, make, with_products
from tests.unit.contracts.examples import bad_examples, good_examples

pytestmark = [pytest.mark.flink, pytest.mark.kafka, pytest.mark.timeout(1_500)]

NAMES = ["kafka", "flink_jobmanager", "flink_taskmanager"]
CLICKS = int(os.environ.get("FLINK_TEST_CLICKS", "50000"))
LATENESS_SECONDS = 900
CLOSING_CLICKS = 40
PATIENCE = 600.0
AFTER_EXAMPLES_MS = flink_world.from_iso("2026-11-03T00:00:00.000Z")
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


def test_b6_visits_are_those_of_brute_force(written: Written, expected: Expected) -> None:
    assert len(written.rows) == len(set(written.rows))
    assert set(written.rows) == expected.sessions
    assert len(expected.sessions) > CLICKS / 100


def test_b7_every_click_is_in_one_visit_or_in_the_late_topic(written: Written, expected: Expected) -> None:
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


def test_b6_minutes_are_those_of_brute_force(written: Written, expected: Expected) -> None:
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


def test_bad_events_stop_nothing_and_are_not_counted(
    flink: FlinkUnderTest, written: Written, expected: Expected
) -> None:
    job, before = flink.cluster.running(MINUTES), flink.refused(MINUTES)
    assert job is not None
    values = [(topic, value) for topic in (CLICK, TRANSACTION) for value in _values(topic)]
    verdicts = [Validator(topic).reason(value) for topic, value in values]
    flink.send([Record(topic, b"any", value, AFTER_EXAMPLES_MS) for topic, value in values])
    flink.wait_consumed(job, [CLICK, TRANSACTION], PATIENCE)

    wanted = Counter(verdict.reason.value for verdict in verdicts if verdict is not None)
    wait_until(lambda: +(flink.refused(MINUTES) - before) == wanted, 30, f"{wanted} are refused")
    accepted = [json.loads(v or b"") for (_, v), verdict in zip(values, verdicts, strict=True) if verdict is None]
    counted = {e["customer_id"] for e in accepted if e.get("action", "purchase") not in ("impression", "checkout")}
    states = newest(flink.values(CUSTOMER_FEATURE), "customer_id")
    assert {customer for customer, _ in states} == {customer for customer, _ in expected.customers} | counted


def _values(topic: str) -> list[bytes | None]:
    """Every example of the contract, and every kind of malformed event, of a customer of its own."""
    rng = random.Random(5)
    event = flink_world.click(rng, 1, 0, "view") if topic == CLICK else flink_world.basket(rng, 1, 0)
    spoilt = [
        kind.spoil({**event, "customer_id": number, "event_time": flink_world.iso(flink_world.BASE_MS)})
        for number, kind in enumerate(malformations(topic), start=700_000)
    ]
    good = [value for name, _, value in good_examples() if name == topic]
    return [*spoilt, *good, *(example.value for example in bad_examples() if example.topic == topic)]
