"""F2 as serving sees it: Kafka down or slow changes no answer and loses no decision that fits the queue."""

from __future__ import annotations

import threading

from model_serving.core.ranking import ModelRef, Ranking
from model_serving.decisions import DecisionPublisher
from model_serving.fastapi_server.bootstrap import Services
from model_serving.metrics import ServingMetrics
from shared_utils.time_utils import fixed_clock
from tests.fakes.api_client import ApiClient
from tests.fakes.serving import NOW, FakeSink, World
from tests.unit.model_serving.conftest import Get


def ranking(number: int) -> Ranking:
    return Ranking(f"r{number}", 5, ModelRef("recommender", "1", "v1"), ())


def test_what_kafka_refuses_is_kept_and_goes_first() -> None:
    sink, metrics = FakeSink(), ServingMetrics()
    sink.down = True
    publisher = DecisionPublisher(lambda: sink, fixed_clock(NOW), metrics)
    publisher.start()
    for number in range(3):
        publisher.offer(ranking(number))
    while len(sink.kept) < 3:
        threading.Event().wait(0.001)
    sink.down = False
    publisher.offer(ranking(3))
    publisher.close()
    assert [b'"r%d"' % n in (r.value or b"") for n, r in enumerate(sink.records)] == [True] * 4
    assert metrics.value("serving_decisions_deferred_total") == 3
    assert metrics.value("serving_decisions_dropped_total") == 0
    assert sink.closed


def test_a_full_queue_drops_counts_and_never_waits() -> None:
    sink, metrics = FakeSink(), ServingMetrics()
    sink.gate = threading.Event()
    publisher = DecisionPublisher(lambda: sink, fixed_clock(NOW), metrics, capacity=10)
    publisher.start()
    for number in range(50):
        publisher.offer(ranking(number))
    dropped = metrics.value("serving_decisions_dropped_total")
    sink.gate.set()
    publisher.close()
    assert dropped >= 39
    assert len(sink.records) == 50 - dropped


def test_a_stuck_kafka_changes_no_answer(get: Get, world: World, client: ApiClient, services: Services) -> None:
    world.sink.gate = threading.Event()
    answers = [get("/v1/recommendations/3").json() for _ in range(30)]
    assert not any(answer["degraded"] for answer in answers)
    world.sink.gate.set()
    services.publisher.close()
    assert len(world.sink.records) == 30


def test_event_and_arrival_time_are_the_injected_now() -> None:
    sink = FakeSink()
    publisher = DecisionPublisher(lambda: sink, fixed_clock(NOW), ServingMetrics())
    publisher.start()
    publisher.offer(ranking(1))
    publisher.close()
    (record,) = sink.records
    assert record.timestamp_ms == int(NOW.timestamp() * 1000)
    assert b'"event_time":"2026-11-09T06:00:00.000Z"' in (record.value or b"")
    assert record.headers["schema_version"] == b"1"
    assert len(record.headers["traceparent"]) == 55
