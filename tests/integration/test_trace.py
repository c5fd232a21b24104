"""One click followed through the real Kafka, Flink, writer, Redis and archive, into decisions and the lake."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from contracts.registry import CONTRACTS_DIR
from contracts.topics_names import CLICK, RECOMMENDATION_DECISION
from contracts.validators.validate_kafka_event import Validator
from data_lake.bronze_rows import append_with_positions, bronze_rows, create_bronze
from data_lake.catalog import BRONZE_CLICK
from feature_store.core.live_windows import LiveFeatures, ProductCategories
from feature_store.online_store.live_reader import LiveReader
from production_ops.trace.core.journey import Journey, Name, journey
from production_ops.trace.core.uses import TraceMatch, Use
from production_ops.trace.readers import evidence_of, newest_click
from shared_utils.kafka_helpers import read_all
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from shared_utils.settings import REPO_ROOT
from shared_utils.time_utils import ms_of, system_clock, to_rfc3339
from tests.fakes import flink_world
from tests.fakes.flink_cluster import FlinkUnderTest, wait_until
from tests.fakes.live_path import LivePath

pytestmark = [pytest.mark.flink, pytest.mark.kafka, pytest.mark.integration]

NAMES = ["kafka", "redis", "flink_jobmanager", "flink_taskmanager"]
TRACED, UNTRACED = 7, 8
NO_CATEGORIES = ProductCategories(np.array([], np.int64), np.array([], np.int32))


@dataclass(frozen=True)
class World:
    """Two clicks of one customer, one of another without a trace, and decisions that read them from Redis."""

    path: LivePath
    clicks: list[dict[str, Any]]

    def journey_of(self, number: int) -> Journey:
        return journey(evidence_of(self.clicks[number]["event_id"], self.path.settings))


def decision(live: LiveFeatures, header: bytes) -> Record:
    """What serving publishes when these live features took part, by the contract."""
    example = next((CONTRACTS_DIR / "examples" / "recommendation_decision.v1" / "good").glob("*.json"))
    done = live.as_of + timedelta(milliseconds=7)
    event = {
        **json.loads(example.read_text(encoding="utf-8")),
        "event_id": str(uuid.uuid4()),
        "event_time": to_rfc3339(done),
        "customer_id": TRACED,
        "live_as_of": to_rfc3339(live.as_of),
        "live_event_id": live.last.event_id,
    }
    value = json.dumps(event).encode()
    assert Validator(RECOMMENDATION_DECISION).reason(value) is None
    done_ms = ms_of(to_rfc3339(done))
    return Record(RECOMMENDATION_DECISION, str(TRACED).encode(), value, done_ms, {"traceparent": header})


def next_span(live: LiveFeatures) -> bytes:
    trace = str(live.last.traceparent).split("-")[1]
    return f"00-{trace}-{uuid.uuid4().hex[:16]}-01".encode()


def click(customer_id: int, action: str) -> tuple[dict[str, Any], Record]:
    event = flink_world.click(random.Random(uuid.uuid4().int), customer_id, ms_of(to_rfc3339(system_clock())), action)
    sent = flink_world.record(CLICK, event, ms_of(event["event_time"]) + 1)
    return event, sent if customer_id == TRACED else Record(CLICK, sent.key, sent.value, sent.timestamp_ms)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("trace")
    with LocalStack(folder, NAMES) as stack:
        flink = FlinkUnderTest(stack, SHOP_FLINK__CHECKPOINT_INTERVAL_MS="1000")
        path = LivePath.fresh(stack, folder)
        flink.start("realtime_features")
        with path.running():
            yield World(path, list(tell(path)))


def tell(path: LivePath) -> Iterator[dict[str, Any]]:
    """The story: click, decision, click, decision, and one that says another trace."""
    reader, header = LiveReader(path.redis), b""
    for customer, action in ((TRACED, "view"), (TRACED, "add"), (UNTRACED, "view")):
        event, sent = click(customer, action)
        path.send([sent])
        live = wait_for(reader, customer, event["event_id"])
        if customer == TRACED:
            header = next_span(live)
            path.send([decision(live, header)])
            if action == "add":
                path.send([decision(live, header.replace(header[3:35], uuid.uuid4().hex.encode()))])
        yield event
    wait_until(lambda: len(path.in_lake()) == len(path.in_kafka()), 30, "the archive")
    first, *_ = (record for record in read_all(CLICK, path.settings.kafka) if record.key == str(TRACED).encode())
    rows = bronze_rows([first], [(first.timestamp_ms or 0) + 4_000])
    append_with_positions(create_bronze(BRONZE_CLICK, path.settings.lake.root), rows, {})


def wait_for(reader: LiveReader, customer: int, event_id: str) -> LiveFeatures:
    found: list[LiveFeatures] = []

    def stands() -> bool:
        live = reader.customer(customer, system_clock(), NO_CATEGORIES)
        if live is not None and live.last.event_id == event_id:
            found.append(live)
        return bool(found)

    wait_until(stands, 60, f"{event_id} in Redis")
    return found[0]


def test_a_click_is_followed_to_redis_and_into_both_decisions(world: World) -> None:
    found = world.journey_of(0)
    for name in (Name.KAFKA, Name.FLINK_CUSTOMER, Name.FLINK_PRODUCT, Name.REDIS_CUSTOMER, Name.REDIS_PRODUCT,
                 Name.READ, Name.DECISION):  # fmt: skip
        delay = found.hop(name).delay_ms
        assert delay is not None, found.hop(name)
        assert delay < 60_000
    assert (found.hop(Name.KAFKA).delay_ms, found.hop(Name.DECISION).delay_ms) == (1, 7)
    assert found.hop(Name.BRONZE).delay_ms == 4_000
    assert "holds the click" in found.hop(Name.REDIS_NOW).evidence
    assert "CreateTime" in found.hop(Name.KAFKA).evidence
    assert [use.use for use in found.decisions] == [Use.NEWEST, Use.INSIDE, Use.INSIDE]


def test_the_trace_id_stays_and_every_record_has_its_own_span(world: World) -> None:
    found = world.journey_of(1)
    made = [found.hop(name) for name in (Name.FLINK_CUSTOMER, Name.FLINK_PRODUCT, Name.DECISION)]
    assert [hop.match for hop in made] == [TraceMatch.SAME] * 3
    assert len({found.hop(Name.PRODUCED).span_id, *(hop.span_id for hop in made)}) == 4


def test_a_decision_with_another_trace_does_not_match(world: World) -> None:
    found = world.journey_of(1)
    assert [use.use for use in found.decisions] == [Use.BEFORE, Use.NEWEST, Use.NEWEST]
    assert [use.match for use in found.decisions] == [TraceMatch.SAME, TraceMatch.SAME, TraceMatch.DIFFERS]
    assert found.mismatches == (f"decision {found.decisions[2].event_id}",)


def test_a_click_without_a_trace_gives_records_without_one(world: World) -> None:
    found = world.journey_of(2)
    assert (found.trace, found.decisions, found.mismatches) == (None, (), ())
    assert found.hop(Name.REDIS_CUSTOMER).delay_ms is not None
    evidence = evidence_of(found.event_id, world.path.settings)
    for records in (evidence.customer_features, evidence.product_features):
        made = [r for r in records if json.loads(r.value or b"")["last_event_id"] == found.event_id]
        assert [set(record.headers) for record in made] == [{"schema_version"}]
    assert "not yet" in str(found.hop(Name.BRONZE).missing)


def test_the_last_click_is_found(world: World) -> None:
    assert newest_click(world.path.settings) == world.clicks[2]["event_id"]
    assert newest_click(world.path.settings, TRACED) == world.clicks[1]["event_id"]


def test_the_command_prints_it_and_knows_what_it_does_not_know(world: World) -> None:
    known = trace(world, "--event-id", world.clicks[0]["event_id"], "--json")
    assert known.returncode == 0, known.stderr
    assert json.loads(known.stdout)["hops"][2]["trace"] == "same"
    unknown = trace(world, "--event-id", str(uuid.uuid4()))
    assert unknown.returncode == 1
    assert f"None of the 3 records of {CLICK} at 127.0.0.1" in unknown.stderr
    assert "do: Check the id" in unknown.stderr


def trace(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "production_ops.trace", *arguments],
        cwd=REPO_ROOT, env=world.path.stack.job_env(), capture_output=True, text=True, check=False,
    )  # fmt: skip
