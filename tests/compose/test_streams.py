"""The profile `streaming`: clicks move the next shelf, their path is told, a killed stream goes on, all balances."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from production_ops.trace.core.journey import Name
from tests.fakes.compose_stack import ComposeStack
from tests.fakes.serving_process import wait_until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

FLINK_JOBS = {"realtime_features", "session_aggregator", "fraud_pattern_detector"}
SHOPPERS = 3
HEALTHY_AGAIN_SECONDS = 60.0
INTO_THE_LAKE_SECONDS = 60.0
SETTLED_SECONDS = 300.0


@pytest.fixture(scope="module")
def reactions(stack: ComposeStack) -> list[dict[str, Any]]:
    """Shoppers with their shelves before and after some clicks."""
    done = stack.tool("production_ops.click_to_shelf", "--api", "http://serving:8000", "--shoppers", str(SHOPPERS))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_clicks_move_the_next_shelf(reactions: list[dict[str, Any]]) -> None:
    assert len(reactions) == SHOPPERS
    for reaction in reactions:
        before, after = ([item["product_id"] for item in reaction[when]["items"]] for when in ("before", "after"))
        assert after != before
        assert set(reaction["clicked"]) <= set(after)
        assert not set(reaction["clicked"]) & set(before)
        assert reaction["after"]["live_event_id"] == reaction["event_id"]


def test_a_clicks_path_from_kafka_to_the_answer_is_told(stack: ComposeStack, reactions: list[dict[str, Any]]) -> None:
    event_id = reactions[-1]["event_id"]

    def untold() -> list[str]:
        done = stack.tool("production_ops.trace", "--event-id", event_id, "--json")
        assert done.returncode == 0, done.stderr
        journey = json.loads(done.stdout)
        assert journey["mismatches"] == []
        return [hop["hop"] for hop in journey["hops"] if hop["no_evidence"]]

    wait_until(lambda: untold() == [], f"each of the hops {[name.value for name in Name]}", INTO_THE_LAKE_SECONDS)


@pytest.mark.parametrize("service", ["flink-taskmanager", "flink-jobmanager"])
def test_killed_flink_goes_on_from_its_last_checkpoints(stack: ComposeStack, service: str) -> None:
    killed_ms = time.time() * 1_000
    stack.kill(service)

    wait_until(lambda: restored(stack, killed_ms) == FLINK_JOBS, f"{FLINK_JOBS} to go on", HEALTHY_AGAIN_SECONDS)
    stack.seconds_until_well(HEALTHY_AGAIN_SECONDS)


def restored(stack: ComposeStack, since_ms: float) -> set[str]:
    """The jobs that run and were restored from a checkpoint since that instant; none while the JobManager is away."""
    found = set()
    for job in (stack.flink("/jobs/overview") or {"jobs": []})["jobs"]:
        checkpoints = stack.flink(f"/jobs/{job['jid']}/checkpoints")
        checkpoint = checkpoints and checkpoints["latest"]["restored"]
        if job["state"] == "RUNNING" and checkpoint and checkpoint["restore_timestamp"] >= since_ms:
            found.add(job["name"])
    return found


def test_the_killed_spark_stream_goes_on(stack: ComposeStack) -> None:
    assert stack.seconds_back_after_kill("spark-streaming", HEALTHY_AGAIN_SECONDS) <= HEALTHY_AGAIN_SECONDS


def test_every_server_that_no_test_has_killed_yet_is_back_within_a_minute_too(stack: ComposeStack) -> None:
    left = sorted(stack.servers() - stack.killed)
    seconds = {service: stack.seconds_back_after_kill(service, HEALTHY_AGAIN_SECONDS) for service in left}

    print({service: f"{needed:.0f} s" for service, needed in seconds.items()})
    assert {service for service, needed in seconds.items() if needed > HEALTHY_AGAIN_SECONDS} == set()


def test_the_ledger_balances_after_all_of_that(stack: ComposeStack, reactions: list[dict[str, Any]]) -> None:
    due_by = datetime.now(UTC).isoformat()
    stack.compose("stop", "replay")
    try:
        # Nothing that was lost comes back and nothing that was doubled goes: waiting hides no fault.
        wait_until(lambda: balanced(stack, due_by), "a balanced ledger", SETTLED_SECONDS)
    finally:
        stack.compose("start", "replay")


def balanced(stack: ComposeStack, due_by: str) -> bool:
    """Whether every stage balances. The replay was stopped and started, so that Kafka may hold a record twice."""
    options = ("--stages", "all", "--due-by", due_by, "--judge-strangers", "--copies-allowed")
    return stack.tool("production_ops.ledger", *options).returncode == 0
