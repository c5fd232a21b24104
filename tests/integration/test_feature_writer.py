"""The stream writer on a real broker, a real Redis and a real lake, and F13, F14, F15: Redis dead, frozen, flushed."""

from __future__ import annotations

import random
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable, write_deltalake
from redis import RedisError

from contracts.registry import topic as topic_of
from contracts.topics_names import CUSTOMER_FEATURE, FEATURE_TOPICS, PRODUCT_FEATURE, dlq_name
from data_lake.catalog import BRONZE_CUSTOMER_FEATURE
from feature_store.core.live_windows import CustomerMinutes, ProductCategories, customer_features
from feature_store.live_history import customer_minutes_as_of
from feature_store.online_store import feature_intake, live_records, rebuild_live, stream_writer
from feature_store.online_store.archive import Taken
from feature_store.online_store.feature_intake import GROUP
from feature_store.online_store.live_store import LiveStore, Mark
from feature_store.online_store.reader import OnlineReader
from feature_store.online_store.rebuild_live import rebuild
from ingestion_layer.kafka.topics.create_topics import create_topics
from shared_utils.errors import DataError, DependencyError
from shared_utils.kafka_helpers import Producer, read_all
from shared_utils.local_stack import LocalStack
from shared_utils.local_stack.ports import free_port
from shared_utils.records import Record
from tests.fakes.live_path import LivePath, committed, pause
from tests.fakes.live_records import NOON, customer_event, history, record
from tests.fakes.live_redis import content
from tests.fakes.serving_process import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.integration]

MINUTE = timedelta(minutes=1)
NO_CATEGORIES = ProductCategories(np.array([], np.int64), np.array([], np.int32))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("live"), ["kafka", "redis"]) as stack:
        yield stack


@pytest.fixture
def path(stack: LocalStack, tmp_path: Path) -> LivePath:
    return LivePath.fresh(stack, tmp_path)


def clicks(count: int, *, customers: int = 50, first_version: int = 1) -> list[Record]:
    """Customers whose one minute grows version by version: the last one is what must stand."""
    return [
        record(
            CUSTOMER_FEATURE, customer_event(n % customers + 1, NOON, version=first_version + n // customers, views=n)
        )
        for n in range(count)
    ]


# --- the usual day ---


def test_delivery_in_any_order_gives_the_same_store_and_an_exact_lake(path: LivePath, tmp_path: Path) -> None:
    sent = history(11)
    path.send(sent)
    path.drain()
    path.check_exact()
    expected = content(path.redis)

    random_ = random.Random(11)
    shuffled = sent + random_.sample(sent, len(sent) // 3)
    random_.shuffle(shuffled)
    other = LivePath.fresh(path.stack, tmp_path / "other")
    other.send(shuffled)
    metrics = other.drain()

    other.check_exact()
    assert content(other.redis) == expected
    assert metrics.value("feature_writer_outdated_records_total") >= len(sent) // 3


def test_a_second_run_changes_nothing_and_shows_its_position(path: LivePath) -> None:
    path.send(history(12))
    path.drain()
    before, rows = content(path.redis), path.in_lake()
    metrics = path.drain()
    assert "0 accepted" in metrics.summary()
    assert (content(path.redis), path.in_lake()) == (before, rows)
    ends = {(r.topic, r.partition): r.offset + 1 for r in path.in_kafka()}
    assert {place: offset for place, offset in committed(path.settings, GROUP).items() if offset > 0} == ends


def test_a_checker_that_cannot_fail_is_no_check(path: LivePath) -> None:
    path.send(clicks(30))
    path.drain()
    path.check_exact()
    table = DeltaTable(BRONZE_CUSTOMER_FEATURE.path(path.settings.lake.root))
    rows = table.to_pyarrow_table()
    write_deltalake(table, rows.slice(0, 1), mode="append")
    with pytest.raises(AssertionError):
        path.check_exact()
    write_deltalake(table, rows.slice(1), mode="overwrite")
    with pytest.raises(AssertionError):
        path.check_exact()
    write_deltalake(table, rows, mode="overwrite")
    path.check_exact()
    path.redis.delete("shop:live_customer:1")
    with pytest.raises(AssertionError):
        path.check_exact()


def test_a_lone_record_is_in_redis_at_once(path: LivePath) -> None:
    slow_lake = path.with_writer(archive_seconds=3_600.0)
    series, labels = "feature_writer_records_total", {"topic": CUSTOMER_FEATURE, "verdict": "accepted"}
    with slow_lake.running() as metrics, Producer(path.settings.kafka, "test", keep_undelivered=False) as producer:
        for number in range(1, 31):
            producer.send(replace(clicks(number)[-1], timestamp_ms=None))
            producer.flush()
            wait_until(lambda n=number: metrics.value(series, **labels) == n, "the record", 10)  # type: ignore[misc]
    at_once = metrics.value("feature_writer_delay_seconds_bucket", topic=CUSTOMER_FEATURE, le="0.1")
    assert at_once >= 20  # p50 is about 3 ms; the first waits for a connection, a busy machine may stall now and then
    path.check_exact()  # and the end did not wait for the lake's cadence


def test_a_refused_record_goes_to_the_dead_letters_once_and_the_others_pass(path: LivePath) -> None:
    bad = Record(PRODUCT_FEATURE, b"9", b'{"product_id": 9', 1_700_000_000_000, {"traceparent": b"t"})
    path.send([bad, *clicks(10)])
    metrics = path.drain()
    path.drain()
    (letter,) = read_all(dlq_name(PRODUCT_FEATURE), path.settings.kafka)
    assert (letter.key, letter.value) == (b"9", bad.value)
    assert letter.headers["reason"] == b"PARSE"
    assert letter.headers["source_topic"] == PRODUCT_FEATURE.encode()
    assert letter.headers["source_offset"] == b"0"
    assert letter.headers["source_timestamp_ms"] == b"1700000000000"
    assert letter.headers["traceparent"] == b"t"
    assert metrics.value("feature_writer_records_total", topic=PRODUCT_FEATURE, verdict="refused") == 1
    path.check_exact()


def test_b4_a_poison_pill_is_tried_three_times_and_the_others_pass(
    path: LivePath, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    pack, tries = live_records.pack_customer_minute, 0

    def crash_on_one(event: dict[str, Any], *rest: Any) -> bytes:
        nonlocal tries
        if event["customer_id"] == 7:
            tries += 1
            raise struct.error("planted")
        return pack(event, *rest)

    series, labels = "feature_writer_records_total", {"topic": CUSTOMER_FEATURE}
    path.send(clicks(10))
    with monkeypatch.context() as patched:
        patched.setattr(live_records, "pack_customer_minute", crash_on_one)
        with path.running() as metrics:
            wait_until(lambda: metrics.value(series, **labels, verdict="refused") == 1, "the first letter")
            path.send(clicks(10, first_version=2))
            # How long others wait for a pill, not how long a writer takes to start.
            began = time.monotonic()
            wait_until(lambda: metrics.value(series, **labels, verdict="accepted") == 18, "the others", 5)
            record_property("others after s", round(time.monotonic() - began, 1))
            wait_until(lambda: metrics.value(series, **labels, verdict="refused") == 2, "the letters", 5)
    letters = list(read_all(dlq_name(CUSTOMER_FEATURE), path.settings.kafka))
    assert [(each.key, each.headers["reason"]) for each in letters] == [(b"7", b"PROCESSING")] * 2
    assert b"3 tries" in letters[0].headers["detail"]
    assert tries == 6
    assert len(path.in_lake()) == 18


def test_a_new_partition_is_read_too(path: LivePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_intake, "_NEW_PARTITIONS_SECONDS", 0.2)
    with path.running():
        create_topics([replace(topic_of(CUSTOMER_FEATURE), partitions=4)], path.settings.kafka)
        path.send(clicks(200))
        wait_until(lambda: path.missing() == 0, "records of the new partitions", 30)
    assert len({r.partition for r in path.in_kafka()}) > 2
    path.check_exact()


def test_a_topic_made_anew_is_named_and_not_skipped(path: LivePath) -> None:
    path.send(clicks(20))
    path.drain()
    path.empty_topics()
    with pytest.raises(DataError, match="The topic was made anew"):
        path.drain()


# --- a killed writer ---


def test_f6_kill_minus_9_in_mid_batch_loses_and_doubles_nothing(path: LivePath) -> None:
    killed = path.with_writer(archive_seconds=0.05, port=free_port(frozenset()))
    killed.drain()  # the store's mark and the empty tables
    count, unfinished = 8_000, []
    for round_, grows in enumerate((store_calls, lake_rows, store_calls)):
        killed.send(clicks(count, customers=200, first_version=1 + count // 200 * round_))
        before, writer = grows(killed), killed.spawn()
        try:
            wait_until(lambda: grows(killed) > before, "first records", 60)  # noqa: B023 (called here and now)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        unfinished.append(lake_rows(killed) < count * (round_ + 1))
    assert any(unfinished)  # the control: a kill that came too late proves nothing
    killed.drain()
    killed.check_exact()


def store_calls(path: LivePath) -> int:
    return int(path.redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))  # type: ignore[union-attr]


def lake_rows(path: LivePath) -> int:
    return len(path.in_lake())


def test_f6_a_crash_between_redis_and_the_lake_repeats_what_is_harmless(
    path: LivePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.send(clicks(100))
    in_redis = 0

    def crash_with_the_last(_: object, taken: Taken) -> bool:
        nonlocal in_redis  # Kafka may hand the hundred out in several batches
        in_redis += len(taken.records)
        if in_redis == 100:
            raise KeyboardInterrupt
        return True

    with monkeypatch.context() as patched:
        patched.setattr(stream_writer.ArchiveWorker, "add", crash_with_the_last)
        with pytest.raises(KeyboardInterrupt):
            path.drain()
    assert (path.missing(), path.in_lake()) == (0, [])
    before = content(path.redis)
    path.drain()
    assert content(path.redis) == before
    path.check_exact()


# --- Redis dead, frozen, flushed ---


def test_f13_a_dead_redis_holds_the_position_until_it_is_back(path: LivePath) -> None:
    with path.running() as metrics:
        path.send(clicks(100))
        wait_until(lambda: path.missing() == 0, "the first records", 30)
        path.stack.kill("redis")
        try:
            path.send(clicks(100, first_version=3))
            wait_until(lambda: metrics.value("feature_writer_failures_total", waits_for="redis") >= 3, "attempts", 30)
            assert metrics.value("feature_writer_waiting", waits_for="redis") == 1
            assert len(path.in_lake()) <= 100  # what is not in Redis is not in the lake
        finally:
            path.stack.restart("redis")
        wait_until(lambda: answers(path) and path.missing() == 0, "all records in Redis", 30)
        wait_until(lambda: metrics.value("feature_writer_waiting", waits_for="redis") == 0, "the all-clear", 10)
    path.check_exact()


def test_f13_a_drain_gives_up_a_dead_redis_with_a_reason(path: LivePath, monkeypatch: pytest.MonkeyPatch) -> None:
    path.send(clicks(10))
    path.stack.kill("redis")
    try:
        writer = stream_writer.FeatureWriter(
            path.settings, stream_writer.WriterMetrics(), threading.Event(), patience_seconds=0.5
        )
        with pytest.raises(DependencyError, match="does not take live records"):
            writer.run(once=True)
    finally:
        path.stack.restart("redis")
    assert path.in_lake() == []
    path.drain()
    path.check_exact()


def test_f14_a_frozen_redis_is_waited_for_and_nothing_is_lost(path: LivePath) -> None:
    with path.running() as metrics:
        path.send(clicks(100))
        wait_until(lambda: path.missing() == 0, "the first records", 30)
        path.stack.pause("redis")
        try:
            path.send(clicks(100, first_version=3))
            wait_until(lambda: metrics.value("feature_writer_failures_total", waits_for="redis") >= 2, "attempts", 30)
            assert metrics.value("feature_writer_waiting", waits_for="redis") == 1
        finally:
            path.stack.resume("redis")
        wait_until(lambda: path.missing() == 0, "all records in Redis", 30)
    path.check_exact()


def test_f15_a_flushed_redis_is_noticed_and_filled_again_from_lake_and_kafka(path: LivePath) -> None:
    slow_lake = path.with_writer(archive_seconds=3_600.0, archive_rows=10**6)  # the newest records are in Kafka alone
    path.send(history(15)[:300])
    path.drain()
    with slow_lake.running() as metrics:
        wait_until(lambda: LiveStore(path.redis).mark() is Mark.COMPLETE, "a complete store", 30)
        path.send(clicks(200))
        wait_until(lambda: path.missing() == 0, "the newest records", 30)
        path.redis.flushall()
        assert path.missing() > 200 // 50
        wait_until(lambda: path.missing() == 0, "full coverage", 60)
        wait_until(lambda: metrics.value("feature_writer_store_losses_total") == 1, "the loss in the metrics", 10)
        wait_until(lambda: LiveStore(path.redis).mark() is Mark.COMPLETE, "a complete store", 30)
    path.check_exact()


def test_f15_a_rebuild_without_kafkas_tail_is_seen(path: LivePath, monkeypatch: pytest.MonkeyPatch) -> None:
    path.send(clicks(100))
    path.drain()
    path.send(clicks(100, first_version=3))
    with monkeypatch.context() as patched:
        patched.setattr(rebuild_live, "read_between", lambda *_: iter(()))
        path.redis.flushall()
        rebuild(path.settings, LiveStore(path.redis))
        assert path.missing() == 50
    done = rebuild(path.settings, LiveStore(path.redis))
    assert (path.missing(), done.held, done.written, done.whole) == (0, 50, 50, True)


def test_f15_the_command_restores_full_coverage_beside_a_running_writer(path: LivePath) -> None:
    path.send(history(16))
    path.drain()
    path.redis.flushall()
    with path.running():
        command = path.spawn(module="rebuild_live")
        with Producer(path.settings.kafka, "test", keep_undelivered=False) as producer:
            version = 100
            while command.poll() is None:  # newer values come while the older ones are filled in
                version += 1
                for customer in range(1, 6):
                    producer.send(record(CUSTOMER_FEATURE, customer_event(customer, NOON, version=version)))
                pause(0.02)
        output, _ = command.communicate(timeout=60)
        assert command.returncode == 0, output
        assert "coverage 100.00%" in output
        wait_until(lambda: path.missing() == 0, "the newest values", 30)
    path.check_exact()


def test_f15_a_flush_during_the_rebuild_is_not_called_complete(path: LivePath, monkeypatch: pytest.MonkeyPatch) -> None:
    path.send(history(17))
    path.drain()
    store, flushed = LiveStore(path.redis), threading.Event()

    def flush_once(step: str, _done: int, _of: int) -> None:
        if step == "put" and not flushed.is_set():
            flushed.set()
            path.redis.flushall()

    monkeypatch.setattr(rebuild_live, "_CHUNK", 50)
    done = rebuild(path.settings, store, report=flush_once)
    assert not done.whole
    assert done.coverage_ratio < 1
    assert store.mark() is Mark.EMPTY
    assert rebuild(path.settings, store).whole
    assert path.missing() == 0


def answers(path: LivePath) -> bool:
    try:
        return bool(path.redis.ping())
    except RedisError:
        return False


def test_every_topic_of_features_has_its_table(path: LivePath) -> None:
    path.send(history(18))
    path.drain()
    assert {topic for topic, _, _ in path.in_lake()} == set(FEATURE_TOPICS)


def test_the_lake_tells_what_was_served_at_a_past_moment(path: LivePath) -> None:
    path.send(history(19, customers=10))
    path.drain()
    reader = OnlineReader(path.redis)
    customers = range(1, 11)
    served = {customer: reader.read_now(customer).minutes for customer in customers}
    moment = datetime.now(UTC)
    pause(0.01)  # the archive's clock counts milliseconds
    path.send([record(CUSTOMER_FEATURE, customer_event(n, NOON, version=99, views=99)) for n in customers])
    path.drain()

    def views(minutes: CustomerMinutes | None) -> dict[str, int]:
        found = None if minutes is None else customer_features(minutes, NOON + 30 * MINUTE, NO_CATEGORIES)
        return {} if found is None else dict(found.values)

    root = path.settings.lake.root
    for customer in customers:
        assert views(customer_minutes_as_of(root, customer, moment)) == views(served[customer]) != {}
        now_served = views(reader.read_now(customer).minutes)
        assert views(customer_minutes_as_of(root, customer, datetime.now(UTC))) == now_served != views(served[customer])
    assert customer_minutes_as_of(root, 1, moment - timedelta(days=1)) is None
