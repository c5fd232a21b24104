"""Put refused events back into their source topic, repaired where a repair is given, once each.

Reads: `<topic>.dlq`. Writes: the source topic, with the header `replayed_from` and the record's own arrival time.
Only what the contract's validator now accepts is sent. What was sent is remembered in the committed offset of the
group `replay-dlq.<topic>` (the position and, in its metadata, the offsets done beyond it), committed after the send: a
second run sends nothing twice, and events still without a repair stay open. A crash between send and commit repeats
events with the same id.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import confluent_kafka as kafka
from rich.console import Console
from rich.table import Table

from contracts.reasons import RejectReason
from contracts.registry import dlq_name
from contracts.registry import topic as topic_contract
from contracts.validators.validate_kafka_event import Validator
from ingestion_layer.kafka import offset_ranges
from ingestion_layer.kafka.repair import Repairs, coordinate, load_repairs
from shared_utils.cli import run_main
from shared_utils.errors import DataError
from shared_utils.kafka_helpers import Producer, answer_seconds, end_offsets, read_all, reader_config, unreachable
from shared_utils.records import Received, Record
from shared_utils.settings import KafkaSettings, load_settings

_DLQ_HEADERS = ("reason", "detail", "source_topic", "source_partition", "source_offset", "source_timestamp_ms")
# The stream judges these by arrival time or by other events: without a repair it would refuse them again, for ever.
_NEEDS_REPAIR = {RejectReason.FUTURE, RejectReason.ID_CONFLICT}


class Fate(StrEnum):
    """What a run did with one refused event."""

    SENT = "sent back, repaired"
    SENT_AS_IS = "sent back as it was: the contract accepts it now"
    DONE_BEFORE = "sent back by an earlier run"
    COPY = "a copy: the queue is written at least once"
    OPEN = "left: still refused"


def main(argv: Sequence[str] | None = None) -> int:
    """Replay one topic's queue and print the fate of its events."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topic", required=True, help="the source topic, e.g. shop.click.v1")
    parser.add_argument(
        "--patch", type=Path, help="JSON object: event_id or topic/partition/offset to a merge patch (RFC 7396)"
    )
    parser.add_argument(
        "--repaired",
        type=Path,
        help='NDJSON: the repaired event, or {"coordinate": "topic/partition/offset", "event": {}}',
    )
    args = parser.parse_args(argv)
    fates = replay(args.topic, load_repairs(args.patch, args.repaired), load_settings().kafka)
    table = Table(title=f"{dlq_name(args.topic)} → {args.topic}")
    table.add_column("fate")
    table.add_column("events", justify="right")
    for fate in Fate:
        table.add_row(fate.value, f"{fates[fate]:,}")
    Console().print(table)
    return 0


def replay(topic: str, repairs: Repairs, settings: KafkaSettings) -> Counter[Fate]:
    """Send back what can be sent; the number of events by fate.

    Raises:
        DependencyError: the broker does not answer; nothing is marked as sent that was not acknowledged.
        DataError: the open events are too scattered to remember; repair the older ones first.
    """
    memory = Memory(topic, settings)
    validator = Validator(topic)
    fates: Counter[Fate] = Counter()
    sendable: list[Record] = []
    settled: set[str] = set()
    try:
        for refused in read_all(dlq_name(topic), settings):
            fate, record = _judge(refused, topic, repairs, validator, memory)
            if record is not None and coordinate(refused) in settled:
                fate, record = Fate.COPY, None
            fates[fate] += 1
            if fate is not Fate.OPEN:
                settled.add(coordinate(refused))
                memory.add(refused.partition, refused.offset)
            if record is not None:
                sendable.append(record)
        memory.check()
        with Producer(settings, f"replay-dlq-{topic}", keep_undelivered=False) as producer:
            for record in sendable:
                producer.send(record)
        memory.commit()
    finally:
        memory.close()
    return fates


def _judge(
    refused: Received, topic: str, repairs: Repairs, validator: Validator, memory: Memory
) -> tuple[Fate, Record | None]:
    if memory.knows(refused.partition, refused.offset):
        return Fate.DONE_BEFORE, None
    repaired = repairs.apply(refused)
    if repaired is None and refused.headers.get("reason", b"").decode() in _NEEDS_REPAIR:
        return Fate.OPEN, None
    value = refused.value if repaired is None else repaired
    if validator.reason(value) is not None:
        return Fate.OPEN, None
    return Fate.SENT_AS_IS if repaired is None else Fate.SENT, _sent_back(refused, topic, value)


def _sent_back(refused: Received, topic: str, value: bytes | None) -> Record:
    headers = {name: text for name, text in refused.headers.items() if name not in _DLQ_HEADERS}
    headers.setdefault("schema_version", str(topic_contract(topic).version).encode())
    headers["replayed_from"] = f"{refused.topic}/{refused.partition}/{refused.offset}".encode()
    # The event arrived when it was refused: lateness is judged by that, not by when it was repaired.
    arrival = refused.headers.get("source_timestamp_ms", b"")
    return Record(topic, refused.key, value, int(arrival) if arrival.isdigit() else refused.timestamp_ms, headers)


class Memory:
    """Which offsets of a dead-letter queue were sent back, kept by the broker as a consumer group's offsets."""

    def __init__(self, topic: str, settings: KafkaSettings) -> None:
        self._settings = settings
        self._queue = dlq_name(topic)
        self._consumer = kafka.Consumer(reader_config(settings, f"replay-dlq.{topic}"))
        try:
            self._load()
        except BaseException:
            self._consumer.close()
            raise

    def knows(self, partition: int, offset: int) -> bool:
        """Whether this offset was sent back before."""
        return offset < self._positions[partition] or offset in self._done[partition]

    def add(self, partition: int, offset: int) -> None:
        """Count an offset as sent back; `commit` makes it last."""
        self._done[partition].add(offset)

    def check(self) -> None:
        """Raises DataError when what was added is more than a commit can hold: better before the send than after it."""
        if any(len(mark.metadata or "") > offset_ranges.MAX_METADATA_BYTES for mark in self._marks()):
            raise DataError(
                f"{self._queue} has too many open events between those sent back.",
                "Give repairs for the older open events first; nothing of this run was sent.",
            )

    def commit(self) -> None:
        """Remember what was added. Raises DependencyError when the broker does not answer."""
        try:
            self._consumer.commit(offsets=self._marks(), asynchronous=False)
        except kafka.KafkaException as exc:
            raise unreachable(self._settings, exc) from exc

    def close(self) -> None:
        """End the client."""
        self._consumer.close()

    def _marks(self) -> list[kafka.TopicPartition]:
        marks = []
        for partition, position in self._positions.items():
            position, done = offset_ranges.advance(position, self._done[partition])
            marks.append(kafka.TopicPartition(self._queue, partition, position, offset_ranges.encode(done)))
        return marks

    def _load(self) -> None:
        partitions = end_offsets(self._queue, self._settings, self._consumer)
        try:
            marks = self._consumer.committed(
                [kafka.TopicPartition(self._queue, number) for number in partitions],
                timeout=answer_seconds(self._settings),
            )
        except kafka.KafkaException as exc:
            raise unreachable(self._settings, exc) from exc
        self._positions = {mark.partition: max(mark.offset, 0) for mark in marks}
        self._done = {mark.partition: offset_ranges.decode(mark.metadata or "") for mark in marks}


if __name__ == "__main__":
    run_main(main)
