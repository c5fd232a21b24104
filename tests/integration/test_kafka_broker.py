"""Against the real broker: topics, delivery through outages, reading to the end, and both replays."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import confluent_kafka as kafka
import pytest

from contracts.registry import CONTRACTS_DIR, Topic, load_topics, topic
from contracts.topics_names import CLICK, PAYMENT, dlq_name
from ingestion_layer.kafka import replay_dlq, replay_live
from ingestion_layer.kafka.repair import Repairs
from ingestion_layer.kafka.replay_dlq import Fate
from ingestion_layer.kafka.topics.create_topics import create_topics
from ingestion_layer.kafka.topics.plan import Action
from production_ops.ledger import reading
from production_ops.ledger.reading import wait_until_read
from shared_utils.errors import ContractError, DataError, DependencyError
from shared_utils.kafka_helpers import Producer, read_all
from shared_utils.local_stack import LocalStack
from shared_utils.local_stack.readiness import is_ready
from shared_utils.local_stack.spec import KafkaReady
from shared_utils.records import Record, to_line
from shared_utils.settings import KafkaSettings

pytestmark = pytest.mark.kafka

ARRIVAL_MS = 1_700_000_000_000  # far in the past: the broker must not delete it by age


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("kafka"), ["kafka"]) as stack:
        yield stack


@pytest.fixture
def settings(stack: LocalStack, tmp_path: Path) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=stack.address("kafka"), spool_dir=tmp_path / "spool", delivery_timeout_ms=60_000
    )


@pytest.fixture
def impatient(settings: KafkaSettings) -> KafkaSettings:
    return settings.model_copy(update={"delivery_timeout_ms": 1_000})


@pytest.fixture
def clicks(settings: KafkaSettings) -> Topic:
    """A topic of its own for the test, with the settings of the click topic."""
    fresh = replace(topic(CLICK), name=f"test.{uuid.uuid4().hex}")
    create_topics([fresh], settings)
    return fresh


def event(topic_name: str, number: int) -> Record:
    return Record(topic_name, str(number % 7).encode(), json.dumps({"id": number}).encode(), ARRIVAL_MS + number)


def ids(topic_name: str, settings: KafkaSettings) -> list[int]:
    return [json.loads(received.value or b"")["id"] for received in read_all(topic_name, settings)]


# --- topics ---


def test_the_contracts_topics_are_created_once(settings: KafkaSettings) -> None:
    wanted = load_topics().values()
    create_topics(wanted, settings)

    assert {change.action for change in create_topics(wanted, settings)} == {Action.NOTHING}


def test_partitions_are_added_and_never_taken_away(clicks: Topic, settings: KafkaSettings) -> None:
    wider = replace(clicks, partitions=3)

    assert [change.action for change in create_topics([wider], settings)] == [Action.EXTEND]
    assert [change.action for change in create_topics([wider], settings)] == [Action.NOTHING]
    with pytest.raises(ContractError, match="3 partitions cannot become 2"):
        create_topics([clicks], settings)


def test_a_refusal_changes_nothing_at_all(clicks: Topic, settings: KafkaSettings) -> None:
    other = replace(clicks, name=f"test.{uuid.uuid4().hex}")

    with pytest.raises(ContractError, match=r"cleanup\.policy delete → compact deletes records"):
        create_topics([other, replace(clicks, cleanup_policy="compact")], settings)

    with pytest.raises(DependencyError, match="no topic"):
        list(read_all(other.name, settings))
    accepted = create_topics([replace(clicks, retention_ms=10**12)], settings, allow_data_loss=True)
    assert [change.action for change in accepted] == [Action.CONFIGURE]


def test_a_dry_run_only_plans(settings: KafkaSettings) -> None:
    fresh = replace(topic(CLICK), name=f"test.{uuid.uuid4().hex}")

    for _ in range(2):
        assert [change.action for change in create_topics([fresh], settings, dry_run=True)] == [Action.CREATE]


# --- sending and reading ---


def test_what_is_sent_is_read_back_whole(clicks: Topic, settings: KafkaSettings) -> None:
    sent = Record(clicks.name, b"7", b"\xff\x00", ARRIVAL_MS, {"schema_version": b"1", "traceparent": b"00-aa-bb-01"})
    tombstone = Record(clicks.name, b"7", None, ARRIVAL_MS + 1)
    with Producer(settings, "test") as producer:
        producer.send(sent)
        producer.send(tombstone)

    first, second = read_all(clicks.name, settings)

    assert Record(first.topic, first.key, first.value, first.timestamp_ms, first.headers) == sent
    assert second.value is None
    assert (first.partition, first.offset, second.offset) == (second.partition, 0, 1)


def test_an_empty_topic_ends_at_once(clicks: Topic, settings: KafkaSettings) -> None:
    assert list(read_all(clicks.name, settings)) == []


def test_aborted_records_are_not_read(clicks: Topic, settings: KafkaSettings) -> None:
    client = kafka.Producer({"bootstrap.servers": settings.bootstrap_servers, "transactional.id": clicks.name})
    client.init_transactions(30)
    for number, end in ((1, client.commit_transaction), (2, client.abort_transaction)):
        client.begin_transaction()
        client.produce(clicks.name, key=b"1", value=json.dumps({"id": number}))
        client.flush(30)
        end(30)

    assert ids(clicks.name, settings) == [1]


def test_a_record_that_no_topic_takes_is_refused_alone(clicks: Topic, settings: KafkaSettings) -> None:
    with Producer(settings, "test") as producer:
        with pytest.raises(DataError, match="too large"):
            producer.send(Record(clicks.name, b"1", bytes(3 * 1024 * 1024)))
        producer.send(event(clicks.name, 1))

    assert ids(clicks.name, settings) == [1]


def test_an_unknown_topic_is_said_to_be_missing(impatient: KafkaSettings) -> None:
    producer = Producer(impatient, "test", keep_undelivered=False)
    producer.send(event("no.such.topic", 1))

    with pytest.raises(DependencyError, match="Create the topics"):
        producer.close()


# --- outages ---


def test_f2_a_dead_broker_is_an_error_by_the_deadline_and_nothing_is_dropped(
    clicks: Topic, impatient: KafkaSettings, settings: KafkaSettings, stack: LocalStack
) -> None:
    stack.kill("kafka")
    try:
        producer = Producer(impatient, "shop")
        for number in range(100):
            producer.send(event(clicks.name, number))
        began = time.monotonic()
        with pytest.raises(
            DependencyError, match=rf"Kafka at {stack.address('kafka')} did not take 100 records"
        ) as caught:
            producer.close()
        assert time.monotonic() - began < 5
        assert str(settings.spool_dir / "shop.ndjson") in caught.value.remedy
        began = time.monotonic()
        with pytest.raises(DependencyError, match="does not answer"):
            create_topics([clicks], impatient)
        assert time.monotonic() - began < 5
    finally:
        stack.restart("kafka")

    with Producer(settings, "shop") as producer:
        producer.send(event(clicks.name, 100))

    found = [json.loads(received.value or b"")["id"] for received in read_all(clicks.name, settings)]
    assert sorted(found) == list(range(101))
    for key in range(7):  # one key, one partition, the old order, and what is new comes last
        assert [number for number in found if number % 7 == key] == list(range(key, 101, 7))
    assert not (settings.spool_dir / "shop.ndjson").exists()


def test_f2_one_producer_goes_on_after_an_outage(
    clicks: Topic, impatient: KafkaSettings, settings: KafkaSettings, stack: LocalStack
) -> None:
    producer = Producer(impatient, "service")
    stack.kill("kafka")
    try:
        producer.send(event(clicks.name, 0))
        with pytest.raises(DependencyError):
            producer.flush()
    finally:
        stack.restart("kafka")

    deadline = time.monotonic() + 60
    producer.send(event(clicks.name, 1))
    while not flushed(producer):
        assert time.monotonic() < deadline
    producer.close()

    assert set(ids(clicks.name, settings)) == {0, 1}


def flushed(producer: Producer) -> bool:
    try:
        producer.flush()
    except DependencyError:
        return False
    return True


def test_f2_kill_9_of_the_broker_loses_nothing_that_was_acknowledged(
    clicks: Topic, settings: KafkaSettings, stack: LocalStack
) -> None:
    total, crash_at = 6_000, 2_000

    def kill_and_restart() -> None:
        stack.kill("kafka")
        stack.restart("kafka")

    crash = threading.Thread(target=kill_and_restart)
    with Producer(settings, "shop") as producer:
        for number in range(total):
            if number == crash_at:
                producer.flush()
                crash.start()
            producer.send(event(clicks.name, number))
    crash.join()

    found = ids(clicks.name, settings)

    assert sorted(set(found)) == list(range(total))
    # What was acknowledged before the crash is there once. What was on its way may stand twice: the broker that comes
    # back cannot always recognise a retry (seen in 2 of 8 runs). Silver takes an event id once.
    assert sorted(number for number in found if number < crash_at) == list(range(crash_at))


def test_another_cluster_on_the_port_is_not_taken_for_ours(stack: LocalStack, tmp_path: Path) -> None:
    port = int(stack.address("kafka").rpartition(":")[2])

    with pytest.raises(DependencyError, match="not AAAAAAAAAAAAAAAAAAAAAA"):
        is_ready(KafkaReady(kind="kafka"), port, tmp_path, 0, "A" * 22)


# --- replays ---


@pytest.fixture
def live(clicks: Topic, tmp_path: Path) -> Path:
    folder = tmp_path / "live"
    folder.mkdir()
    lines = [to_line(event(clicks.name, number)) for number in range(500)]
    (folder / "events.ndjson").write_text("\n".join(lines) + "\n")
    return folder


def test_the_live_weeks_are_sent_with_their_own_times(clicks: Topic, settings: KafkaSettings, live: Path) -> None:
    assert replay_live.replay(live, settings) == {clicks.name: 500}

    found = {json.loads(r.value or b"")["id"]: r.timestamp_ms for r in read_all(clicks.name, settings)}
    assert found == {number: ARRIVAL_MS + number for number in range(500)}


def test_f1_a_replay_that_failed_goes_on_where_it_ended(
    clicks: Topic, settings: KafkaSettings, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends = 0
    send = Producer.send

    def failing(self: Producer, record: Record) -> None:
        nonlocal sends
        sends += 1
        send(self, record)
        if sends == 200:
            self._fault = "planted"
            self.poll()

    monkeypatch.setattr(Producer, "send", failing)
    with pytest.raises(DependencyError, match="planted"):
        replay_live.replay(live, settings)
    monkeypatch.setattr(Producer, "send", send)

    assert replay_live.replay(live, settings) == {clicks.name: 300}
    assert set(ids(clicks.name, settings)) == set(range(500))


def refused(value: bytes | None, offset: int, reason: str) -> Record:
    headers = {
        "reason": reason,
        "detail": "planted",
        "source_topic": PAYMENT,
        "source_partition": "0",
        "source_offset": str(offset),
        "source_timestamp_ms": str(ARRIVAL_MS + offset),
        "traceparent": "00-aa-bb-01",
    }
    encoded = {name: text.encode() for name, text in headers.items()}
    return Record(dlq_name(PAYMENT), b"7", value, None, encoded)


def test_repaired_events_go_back_once_and_the_others_stay_open(settings: KafkaSettings) -> None:
    good = json.loads(min((CONTRACTS_DIR / "examples" / "payment_event.v1" / "good").glob("*.json")).read_text())
    events = [{**good, "event_id": str(uuid.UUID(int=number))} for number in range(4)]
    create_topics(load_topics().values(), settings)
    with Producer(settings, "test") as producer:
        producer.send(refused(json.dumps({**events[0], "currency": "EUR"}).encode(), 10, "SCHEMA"))
        producer.send(refused(b"not json", 11, "PARSE"))
        producer.send(refused(json.dumps(events[2]).encode(), 12, "SCHEMA"))  # the contract accepts it by now
        producer.send(refused(json.dumps(events[3]).encode(), 13, "ID_CONFLICT"))
        producer.send(refused(json.dumps(events[2]).encode(), 12, "SCHEMA"))  # the stream crashed and sent it again
    patch = {events[0]["event_id"]: {"currency": "USD"}}

    first = replay_dlq.replay(PAYMENT, Repairs(patches=patch), settings)
    again = replay_dlq.replay(PAYMENT, Repairs(patches=patch), settings)
    later = replay_dlq.replay(PAYMENT, Repairs(events={f"{PAYMENT}/0/11": events[1]}), settings)

    assert first == {Fate.SENT: 1, Fate.SENT_AS_IS: 1, Fate.COPY: 1, Fate.OPEN: 2}
    assert again == {Fate.DONE_BEFORE: 3, Fate.OPEN: 2}
    assert later == {Fate.DONE_BEFORE: 3, Fate.SENT: 1, Fate.OPEN: 1}
    back = list(read_all(PAYMENT, settings))
    assert [json.loads(record.value or b"") for record in back] == [events[0], events[2], events[1]]
    assert [record.timestamp_ms for record in back] == [ARRIVAL_MS + offset for offset in (10, 12, 11)]
    assert dict(back[0].headers) == {
        "traceparent": b"00-aa-bb-01",
        "schema_version": b"1",
        "replayed_from": f"{PAYMENT}.dlq/0/0".encode(),
    }


def test_a_full_memory_is_an_error_before_anything_is_sent(settings: KafkaSettings) -> None:
    create_topics(load_topics().values(), settings)
    memory = replay_dlq.Memory(CLICK, settings)
    try:
        for offset in range(1, 4_000, 2):
            memory.add(0, offset)
        with pytest.raises(DataError, match="too many open events"):
            memory.check()
    finally:
        memory.close()


def test_extending_a_topic_keeps_its_records(clicks: Topic, settings: KafkaSettings) -> None:
    with Producer(settings, "test") as producer:
        producer.send(event(clicks.name, 1))

    create_topics([replace(clicks, partitions=4)], settings)

    assert ids(clicks.name, settings) == [1]


# --- the ledger's waiting for a reader ---


def commit(group: str, topic_name: str, settings: KafkaSettings, records: int) -> None:
    """Let a group have read so many records of a topic."""
    config = {"bootstrap.servers": settings.bootstrap_servers, "group.id": group, "enable.auto.commit": False}
    config["auto.offset.reset"] = "earliest"
    consumer = kafka.Consumer(config)
    try:
        consumer.subscribe([topic_name])
        for _ in range(records):
            message = consumer.poll(30)
            assert message is not None
            consumer.commit(message, asynchronous=False)
    finally:
        consumer.close()


def test_the_ledger_waits_until_a_reader_has_read_all(settings: KafkaSettings, clicks: Topic) -> None:
    with Producer(settings, "clicks") as producer:
        for number in range(20):
            producer.send(event(clicks.name, number))
    commit("reader", clicks.name, settings, 19)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_until_read, settings.bootstrap_servers, "reader", [clicks.name])
        with pytest.raises(TimeoutError):
            waiting.result(2)
        commit("reader", clicks.name, settings, 1)

        waiting.result(30)


def test_a_reader_that_stands_still_is_told_after_a_while(
    settings: KafkaSettings, clicks: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_READER_SECONDS", 1.0)
    with Producer(settings, "clicks") as producer:
        for number in range(20):
            producer.send(event(clicks.name, number))
    with pytest.raises(DependencyError, match="nobody stands still, 20 records left unread"):
        wait_until_read(settings.bootstrap_servers, "nobody", [clicks.name])
    commit("slow", clicks.name, settings, 5)
    with pytest.raises(DependencyError, match="slow stands still, 15 records left unread"):
        wait_until_read(settings.bootstrap_servers, "slow", [clicks.name])


def test_the_ledger_says_that_no_broker_answers() -> None:
    with pytest.raises(DependencyError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        wait_until_read("127.0.0.1:1", "reader", [CLICK])
