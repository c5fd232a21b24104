"""F6: the TaskManager dies in mid-run, then both processes die and the jobs go on from their checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE, TRANSACTION, late_name
from shared_utils.local_stack import LocalStack
from shared_utils.records import Received
from stream_processing.flink_python import checkpoints
from tests.fakes.flink_cluster import FlinkUnderTest, comparable, newest, wait_until
from tests.fakes.flink_world import MINUTE_MS, Expected, World, closing, expect, make

pytestmark = [pytest.mark.flink, pytest.mark.kafka, pytest.mark.timeout(1_500)]

JOBMANAGER, TASKMANAGER = "flink_jobmanager", "flink_taskmanager"
SESSIONS, MINUTES = "session_aggregator", "realtime_features"
JOBS = (SESSIONS, MINUTES)
CLICKS = int(os.environ.get("FLINK_TEST_KILL_CLICKS", "40000"))
LATENESS_SECONDS = 900
PATIENCE = 300.0


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkUnderTest]:
    with LocalStack(tmp_path_factory.mktemp("flink"), ["kafka", JOBMANAGER, TASKMANAGER]) as stack:
        yield FlinkUnderTest(
            stack,
            SHOP_FLINK__CHECKPOINT_INTERVAL_MS="500",
            SHOP_FLINK__SESSION_LATENESS_SECONDS=str(LATENESS_SECONDS),
        )


def test_f6_without_a_checkpoint_there_is_nothing_to_go_on_from(flink: FlinkUnderTest) -> None:
    done = flink.run(MINUTES, "--from-checkpoint")
    assert done.returncode == 7
    assert "no completed checkpoint of realtime_features" in done.stderr


def test_f6_kills_lose_and_double_nothing(flink: FlinkUnderTest) -> None:
    world = make(CLICKS, seed=11)
    parts = [world.records[n * len(world.records) // 4 : (n + 1) * len(world.records) // 4] for n in range(4)]
    flink.send(parts[0])
    for job in JOBS:
        flink.start(job)
    again = flink.run(MINUTES)
    assert (again.returncode, "RUNNING already" in again.stderr) == (2, True)
    wait_until(lambda: all(flink.checkpoints(job) > 0 for job in JOBS), PATIENCE, "first checkpoints")

    written = len(flink.received(CUSTOMER_FEATURE))
    flink.send(parts[1])
    wait_until(lambda: len(flink.received(CUSTOMER_FEATURE)) > written, PATIENCE, "part two is being counted")
    flink.stack.kill(TASKMANAGER)
    flink.stack.restart(TASKMANAGER)
    flink.send(parts[2])
    _wait_for_new_checkpoints(flink)

    flink.stack.kill(TASKMANAGER)
    flink.stack.kill(JOBMANAGER)
    down = flink.run(MINUTES, "--from-checkpoint")
    assert (down.returncode, "does not answer" in down.stderr) == (4, True)
    flink.stack.restart(JOBMANAGER)
    flink.stack.restart(TASKMANAGER)
    before = len(flink.received(CUSTOMER_FEATURE))
    restored = {job: flink.start(job, "--from-checkpoint") for job in JOBS}
    for status in restored.values():
        assert flink.cluster.get(f"/jobs/{status.job_id}/checkpoints")["latest"]["restored"] is not None
    flink.send(parts[3])
    flink.close_visits(closing(world))
    flink.wait_consumed(restored[SESSIONS], [CLICK], PATIENCE)
    flink.wait_consumed(restored[MINUTES], [CLICK, TRANSACTION], PATIENCE)

    received = [*flink.received(CLICK), *flink.received(TRANSACTION)]
    expected = _expected(received, world)
    wait_until(lambda: len(set(_rows(flink))) >= len(expected.sessions), PATIENCE, "all visits")
    assert set(_rows(flink)) == expected.sessions
    assert {value["event_id"] for value in flink.values(late_name(CLICK), CLICK)} == expected.late_ids
    customers = newest(flink.values(CUSTOMER_FEATURE), "customer_id")
    assert comparable(customers) == _with_products(expected.customers)
    assert comparable(newest(flink.values(PRODUCT_FEATURE), "product_id")) == expected.products
    # It went on, rather than start over: less was written again than had been written before the second kill.
    counted = sum(state["version"] for state in expected.customers.values())
    assert len(flink.received(CUSTOMER_FEATURE)) < counted + before

    lost = _expected(received[:-50] + received[-49:], world)
    assert _with_products(lost.customers) != comparable(customers)


def _wait_for_new_checkpoints(flink: FlinkUnderTest) -> None:
    seen = {job: str(checkpoints.latest(job, flink.settings)) for job in JOBS}
    wait_until(
        lambda: all(str(checkpoints.latest(job, flink.settings)) != seen[job] for job in JOBS),
        PATIENCE,
        "checkpoints after the first kill",
    )


def _expected(received: list[Received], world: World) -> Expected:
    closed_ms = max(r.timestamp_ms or 0 for r in world.records) + 12 * 60 * MINUTE_MS
    return expect(received, lateness_ms=LATENESS_SECONDS * 1000, closed_before_ms=closed_ms)


def _rows(flink: FlinkUnderTest) -> list[tuple[object, ...]]:
    return [tuple(value.values()) for value in flink.values(SESSION_FEATURE)]


def _with_products(states: dict[tuple[int, str], Any]) -> dict[tuple[int, str], Any]:
    return {key: {**state, "products": state.get("products", [])} for key, state in states.items()}
