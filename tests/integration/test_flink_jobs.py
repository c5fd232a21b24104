"""Visits and minute features against brute force, on the real cluster: in calm, in disorder, and through kills."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE, TRANSACTION, late_name
from shared_utils.local_stack import LocalStack
from tests.fakes import flink_world
from tests.fakes.flink_cluster import FlinkUnderTest, comparable, newest, wait_until
from tests.fakes.flink_world import Expected, World, closing, expect, from_iso, make

pytestmark = [pytest.mark.flink, pytest.mark.kafka, pytest.mark.timeout(1_500)]

NAMES = ["kafka", "flink_jobmanager", "flink_taskmanager"]
CLICKS = int(os.environ.get("FLINK_TEST_CLICKS", "200000"))
LATENESS_SECONDS = 900
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


def session_rows(flink: FlinkUnderTest) -> list[tuple[object, ...]]:
    return [tuple(value.values()) for value in flink.values(SESSION_FEATURE)]


def late_ids(flink: FlinkUnderTest) -> list[str]:
    return [value["event_id"] for value in flink.values(late_name(CLICK), CLICK)]


def minutes(flink: FlinkUnderTest) -> tuple[dict[tuple[int, str], Any], dict[tuple[int, str], Any]]:
    customers = newest(flink.values(CUSTOMER_FEATURE), "customer_id")
    products = newest(flink.values(PRODUCT_FEATURE), "product_id")
    return comparable(customers), comparable(products)


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


def test_visits_are_those_of_brute_force(flink: FlinkUnderTest, expected: Expected) -> None:
    found = session_rows(flink)
    assert len(found) == len(set(found))
    assert set(found) == expected.sessions
    # The world holds what the check is for: visits at the very edge of the gap.
    assert len(expected.sessions) > CLICKS / 100


def test_every_click_is_in_one_visit_or_in_the_late_topic(flink: FlinkUnderTest, expected: Expected) -> None:
    late = late_ids(flink)
    assert sorted(late) == sorted(expected.late_ids)
    assert len(late) > CLICKS / 1_000
    in_visits = sum(value["events"] for value in flink.values(SESSION_FEATURE))
    still_open = 40
    assert in_visits + len(late) + still_open == len(expected.click_ids)


def test_a_late_click_says_where_it_came_from(flink: FlinkUnderTest, expected: Expected) -> None:
    by_place = {(r.partition, r.offset): json.loads(r.value or b"") for r in flink.received(CLICK)}
    for record in flink.received(late_name(CLICK)):
        place = (int(record.headers["source_partition"]), int(record.headers["source_offset"]))
        assert json.loads(record.value or b"") == by_place[place]
        assert (record.headers["reason"], record.headers["source_topic"]) == (b"LATE", CLICK.encode())


def test_minutes_are_those_of_brute_force(flink: FlinkUnderTest, expected: Expected) -> None:
    customers, products = minutes(flink)
    assert customers == with_products(expected.customers)
    assert products == expected.products


def test_each_event_sends_one_record_with_its_trace(flink: FlinkUnderTest, expected: Expected) -> None:
    records = flink.received(CUSTOMER_FEATURE)
    versions = Counter()
    for record in records:
        value = json.loads(record.value or b"")
        assert record.headers["traceparent"] == expected.traces[value["last_event_id"]]
        versions[value["customer_id"], value["bucket_start"]] += 1
    assert versions == {key: state["version"] for key, state in expected.customers.items()}


def test_the_comparison_sees_a_gap_that_is_a_millisecond_off(flink: FlinkUnderTest, world: World) -> None:
    received = flink.received(CLICK)
    closed_ms = max(r.timestamp_ms or 0 for r in world.records) + 12 * 60 * flink_world.MINUTE_MS
    right = flink_world.GAP_MS
    try:
        for wrong in (right - 1, right + 1):
            flink_world.GAP_MS = wrong
            planted = expect(received, lateness_ms=LATENESS_SECONDS * 1000, closed_before_ms=closed_ms)
            starts = {row[:2] for row in planted.sessions}
            assert starts != {row[:2] for row in session_rows(flink)}
    finally:
        flink_world.GAP_MS = right


def test_the_comparison_sees_a_duplicate_that_is_counted(flink: FlinkUnderTest, expected: Expected) -> None:
    customers, _ = minutes(flink)
    total = sum(state["version"] for state in customers.values())
    again = [r for r in flink.received(CLICK) if r.offset % 10 == 0]
    doubled = expect(
        [*flink.received(CLICK), *flink.received(TRANSACTION), *(_renamed(r) for r in again)],
        lateness_ms=LATENESS_SECONDS * 1000,
        closed_before_ms=0,
    )
    assert sum(state["version"] for state in doubled.customers.values()) > total


def _renamed(record: Any) -> Any:
    value = json.loads(record.value or b"")
    return replace(record, value=json.dumps({**value, "event_id": value["event_id"][:-4] + "ffff"}).encode())
