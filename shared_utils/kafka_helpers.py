"""Sending to Kafka without losing a record, and reading a topic to its end."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

import confluent_kafka as kafka
import structlog

from shared_utils.errors import DataError, DependencyError
from shared_utils.records import Received, Record
from shared_utils.settings import KafkaSettings
from shared_utils.spool import Spool

log = structlog.get_logger(__name__)

MAX_RECORD_BYTES = 2 * 1024 * 1024  # above the 1 MiB of the contracts: an event that is too large must reach its DLQ
_QUEUE_RECORDS = 20_000
_QUEUE_KIB = 64 * 1024
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 10.0
_LEADERLESS = {
    kafka.KafkaError.NOT_LEADER_FOR_PARTITION,
    kafka.KafkaError.LEADER_NOT_AVAILABLE,
    kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
}


def answer_seconds(settings: KafkaSettings) -> float:
    """How long to wait for the answer to one request: a dead broker is known sooner than a delivery is given up."""
    return min(settings.delivery_timeout_ms / 1000, _ANSWER_SECONDS)


def client_config(settings: KafkaSettings, name: str) -> dict[str, Any]:
    """What every client of the platform shares. Its log is silent: errors reach the caller as exceptions."""
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": name,
        "log_level": 0,
        "reconnect.backoff.max.ms": 1_000,  # the default of ten seconds delays the return after an outage
    }


class Producer:
    """An idempotent producer (acks=all) that keeps what it could not deliver.

    Undelivered records are written to `<spool_dir>/<name>.ndjson` and go first, in order, at the next send of this or a
    later process. A record whose acknowledgement was lost may so stand twice in the topic; its event id is the same.
    Use it from one thread at a time. Records that are queued when the process itself is killed are lost: call `flush`.
    """

    def __init__(self, settings: KafkaSettings, name: str, *, keep_undelivered: bool = True) -> None:
        """Connect nothing yet; `keep_undelivered=False` is for senders whose own source is durable.

        Raises:
            ConfigurationError: another producer of this name runs on the same spool folder.
        """
        self._settings = settings
        self._name = name
        self._spool = Spool(settings.spool_dir / f"{name}.ndjson") if keep_undelivered else None
        self._pending: dict[int, Record] = {}
        self._numbers = itertools.count()
        self._fault: str | None = None
        self._resent = False
        self._held: list[Record] = []  # undelivered, and the spool's disk was full
        self._client = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except DependencyError as exc:
            if error is None:
                raise
            log.warning("producer_closed_with_undelivered", name=self._name, error=exc.message)

    def send(self, record: Record) -> None:
        """Queue one record; blocks while the bounded queue is full.

        Raises:
            DependencyError: the broker did not take records by the deadline; all undelivered ones are kept, this too.
            DataError: the record is larger than any topic takes; it is not kept.
        """
        self._queue([*self._take_kept(), record])
        if self._fault:
            self._give_up()

    def poll(self) -> None:
        """Learn about deliveries without sending. Raises DependencyError like `send`."""
        self._client.poll(0)
        if self._fault:
            self._give_up()

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Wait until every record, kept ones included, is acknowledged; by default as long as delivery may take.

        Raises:
            DependencyError: like `send`.
        """
        self._queue(self._take_kept())
        patience = self._timeout_seconds + 1.0 if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + patience
        while self._client.flush(_POLL_SECONDS) and not self._fault and time.monotonic() < deadline:
            pass
        if self._pending:
            self._give_up()
        if self._spool:
            self._spool.replace([])

    def close(self, timeout_seconds: float | None = None) -> None:
        """Flush, then give the spool free. Raises DependencyError like `send`."""
        try:
            self.flush(timeout_seconds)
        finally:
            if self._spool:
                self._spool.close()

    @property
    def _timeout_seconds(self) -> float:
        return self._settings.delivery_timeout_ms / 1000

    def _connect(self) -> kafka.Producer:
        return kafka.Producer(
            {
                **client_config(self._settings, self._name),
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 5,
                "partitioner": "murmur2_random",  # the same partition for a key as a Java client
                "message.max.bytes": MAX_RECORD_BYTES,
                "message.timeout.ms": self._settings.delivery_timeout_ms,
                "topic.metadata.propagation.max.ms": self._settings.delivery_timeout_ms // 2,
                "queue.buffering.max.messages": _QUEUE_RECORDS,
                "queue.buffering.max.kbytes": _QUEUE_KIB,
            }
        )

    def _take_kept(self) -> list[Record]:
        held, self._held = self._held, []
        if self._resent or self._spool is None:
            return held
        self._resent = True
        return self._spool.read()

    def _queue(self, records: list[Record]) -> None:
        # All become pending before the first is queued: a failure half-way must keep every one of them.
        numbered = [(next(self._numbers), record) for record in records]
        self._pending.update(numbered)
        for number, record in numbered:
            self._produce(number, record)

    def _produce(self, number: int, record: Record) -> None:
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            try:
                self._client.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    timestamp=record.timestamp_ms or 0,
                    headers=list(record.headers.items()),
                    on_delivery=partial(self._settle, number),
                )
                self._client.poll(0)
                return
            except BufferError:
                self._client.poll(_POLL_SECONDS)
                if self._fault or time.monotonic() > deadline:
                    self._give_up()
            except kafka.KafkaException as exc:
                self._refuse(number, record, exc)

    def _refuse(self, number: int, record: Record, exc: kafka.KafkaException) -> None:
        error = exc.args[0]
        if error.code() != kafka.KafkaError.MSG_SIZE_TOO_LARGE:
            self._fault = error.str()
            self._give_up()
        del self._pending[number]
        raise DataError(
            f"A record of {len(record.value or b'')} bytes is too large for {record.topic}.",
            f"Send at most {MAX_RECORD_BYTES} bytes.",
        ) from exc

    def _settle(self, number: int, error: kafka.KafkaError | None, _: object) -> None:
        if error is None:
            self._pending.pop(number, None)
        else:
            self._fault = self._fault or error.str()

    def _give_up(self) -> None:
        """Keep what is undelivered and start afresh, so that a long-lived sender may go on after the broker is back."""
        self._client.purge()
        self._client.flush(1.0)  # deliver the last callbacks: what was acknowledged meanwhile must not be kept
        undelivered = [record for _, record in sorted(self._pending.items())]
        fault = self._fault or "no answer"
        self._pending, self._fault, self._resent, self._client = {}, None, False, self._connect()
        first = "Create the topics" if "nknown topic" in fault else "Start the broker"
        raise DependencyError(
            f"Kafka at {self._settings.bootstrap_servers} did not take {len(undelivered)} records within "
            f"{self._timeout_seconds:.0f} s ({fault}).",
            f"{first} and run this again: {self._keep(undelivered)}.",
        )

    def _keep(self, undelivered: list[Record]) -> str:
        if self._spool is None:
            return "nothing was marked as sent"
        try:
            self._spool.replace(undelivered)
        except OSError as exc:
            # The kept ones are among them: the file is not to be read again.
            self._held, self._resent = undelivered, True
            return f"they are held in this process alone, because {self._spool.path} cannot be written ({exc.strerror})"
        return f"they are kept in {self._spool.path} and go first"


def read_all(topic: str, settings: KafkaSettings) -> Iterator[Received]:
    """Every committed record of a topic up to its end at this moment, in offset order within each partition.

    Uses a client of its own and no consumer group's position.

    Raises:
        DependencyError: the broker does not answer, or there is no such topic.
    """
    consumer = kafka.Consumer(reader_config(settings, f"read-all-{uuid.uuid4()}"))
    try:
        ends = end_offsets(topic, settings, consumer)
        consumer.assign([kafka.TopicPartition(topic, number, kafka.OFFSET_BEGINNING) for number in ends])
        yield from _until(consumer, {number: end for number, end in ends.items() if end > 0}, settings)
    finally:
        consumer.close()


def read_between(
    topic: str, starts: Mapping[int, int], stops: Mapping[int, int] | None, settings: KafkaSettings
) -> Iterator[Received]:
    """As `read_all`, but each partition from its offset in `starts` (else the beginning) up to that in `stops`.

    Without `stops` up to the end at this moment; a partition that `stops` does not name is left out.
    """
    consumer = kafka.Consumer(reader_config(settings, f"read-between-{uuid.uuid4()}"))
    try:
        ends = end_offsets(topic, settings, consumer)
        wanted = ends if stops is None else {n: min(stops[n], end) for n, end in ends.items() if n in stops}
        ahead = {n: end for n, end in wanted.items() if end > starts.get(n, 0)}
        consumer.assign([kafka.TopicPartition(topic, n, starts.get(n, kafka.OFFSET_BEGINNING)) for n in ahead])
        yield from _until(consumer, ahead, settings)
    finally:
        consumer.close()


def reader_config(settings: KafkaSettings, group: str) -> dict[str, Any]:
    """A consumer that sees committed records only, starts at the beginning and commits nothing by itself."""
    return {
        **client_config(settings, group),
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }


def end_offsets(topic: str, settings: KafkaSettings, consumer: kafka.Consumer) -> dict[int, int]:
    """The end offset (the next record's) of each partition. Raises DependencyError like `read_all`."""
    timeout = answer_seconds(settings)
    try:
        found = consumer.list_topics(topic, timeout=timeout).topics[topic]
        if found.error is not None:
            raise DependencyError(f"Kafka has no topic {topic}.", "Create the topics first.")
        numbers = sorted(found.partitions)
        return {number: _end_offset(consumer, kafka.TopicPartition(topic, number), timeout) for number in numbers}
    except kafka.KafkaException as exc:
        raise unreachable(settings, exc) from exc


def _end_offset(consumer: kafka.Consumer, partition: kafka.TopicPartition, timeout: float) -> int:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=timeout)[1]
        except kafka.KafkaException as exc:
            # A new partition has no leader for a moment, and after a restart the client asks by what it knew before.
            if exc.args[0].code() not in _LEADERLESS or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def unreachable(settings: KafkaSettings, exc: kafka.KafkaException) -> DependencyError:
    """The error for a broker that does not answer, or that refuses what it was asked."""
    error = exc.args[0]
    if error.code() > 0:  # the client's own errors, such as a timeout, are below zero
        return DependencyError(
            f"Kafka at {settings.bootstrap_servers} refuses: {error.str()}", "Correct that, then run this again."
        )
    return DependencyError(
        f"Kafka at {settings.bootstrap_servers} does not answer ({error.str()}).",
        "Start it, or correct SHOP_KAFKA__BOOTSTRAP_SERVERS.",
    )


def _until(consumer: kafka.Consumer, ends: dict[int, int], settings: KafkaSettings) -> Iterator[Received]:
    quiet_since = time.monotonic()
    while ends:
        message = consumer.poll(_POLL_SECONDS)
        if message is None:
            if time.monotonic() - quiet_since > settings.delivery_timeout_ms / 1000:
                raise DependencyError(f"Kafka at {settings.bootstrap_servers} fell silent.", "Look into its log.")
            continue
        quiet_since = time.monotonic()
        error = message.error()
        if error is not None and error.code() != kafka.KafkaError._PARTITION_EOF:
            raise unreachable(settings, kafka.KafkaException(error))
        number, offset = cast(int, message.partition()), cast(int, message.offset())
        if error is None and offset < ends.get(number, 0):
            yield received(message)
        # Under read_committed the last offsets may be control records: then the end of the partition says it is over.
        if error is not None or offset >= ends.get(number, 0) - 1:
            ends.pop(number, None)


def received(message: kafka.Message) -> Received:
    """A consumed message as a value."""
    kind, timestamp = message.timestamp()
    return Received(
        topic=cast(str, message.topic()),
        key=message.key(),
        value=message.value(),
        timestamp_ms=None if kind == kafka.TIMESTAMP_NOT_AVAILABLE else timestamp,
        headers=dict(cast(list[tuple[str, bytes]], message.headers() or [])),
        partition=cast(int, message.partition()),
        offset=cast(int, message.offset()),
    )
