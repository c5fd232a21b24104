"""Spark's minute features against the brute force that Flink's are held to (test_flink_jobs), through a restart."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator

import pytest

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, TRANSACTION
from data_sources.malformed import malformations
from shared_utils.environments import spark_python
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from shared_utils.settings import REPO_ROOT
from tests.fakes.flink_cluster import FlinkUnderTest, comparable, newest
from tests.fakes.flink_world import BASE_MS, Expected, basket, click, expect, make, with_products

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.timeout(600)]

JOB = "stream_processing.spark_streaming.streaming_jobs.create_realtime_features"
CLICKS = 4_000


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkUnderTest]:
    with LocalStack(tmp_path_factory.mktemp("spark_minutes"), ["kafka"]) as stack:
        yield FlinkUnderTest(stack)


def run(kafka: FlinkUnderTest) -> None:
    """Count what the topics hold now."""
    done = subprocess.run(
        [str(spark_python()), "-m", JOB, "--once"],
        cwd=REPO_ROOT,
        env=kafka.stack.job_env(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]


def spoilt() -> list[Record]:
    """Every kind of malformed event."""
    rng = random.Random(5)
    events = {CLICK: click(rng, 800_000, BASE_MS, "view"), TRANSACTION: basket(rng, 800_001, BASE_MS)}
    return [
        Record(topic, b"800000", kind.spoil(events[topic]), BASE_MS)
        for topic in events
        for kind in malformations(topic)
    ]


@pytest.fixture(scope="module")
def expected(kafka: FlinkUnderTest) -> Expected:
    records = make(CLICKS).records
    half = len(records) // 2
    for part in ([*records[:half], *spoilt()], records[half:]):
        kafka.send(part)
        run(kafka)
    received = [*kafka.received(CLICK), *kafka.received(TRANSACTION)]
    return expect(received, lateness_ms=0, closed_before_ms=0)


def test_spark_s_minutes_are_those_of_brute_force(kafka: FlinkUnderTest, expected: Expected) -> None:
    customers = newest(kafka.values(CUSTOMER_FEATURE), "customer_id")
    assert comparable(customers) == with_products(expected.customers)
    assert comparable(newest(kafka.values(PRODUCT_FEATURE), "product_id")) == expected.products
    assert len(expected.customers) > CLICKS / 10


def test_the_restart_went_on_with_the_minutes_of_the_first_run(kafka: FlinkUnderTest, expected: Expected) -> None:
    versions = [(value["product_id"], value["bucket_start"]) for value in kafka.values(PRODUCT_FEATURE)]
    assert 0 < len(versions) - len(set(versions)) < len(versions) / 2


def test_a_record_carries_the_trace_of_its_newest_event(kafka: FlinkUnderTest, expected: Expected) -> None:
    for topic in (CUSTOMER_FEATURE, PRODUCT_FEATURE):
        for record in kafka.received(topic):
            last = json.loads(record.value or b"")["last_event_id"]
            assert record.headers == {"schema_version": b"1", "traceparent": expected.traces[last]}
