"""The ledger's own eyes: a Kafka client and a reader of Delta tables that no other code of the platform uses.

Nothing here goes through `shared_utils.kafka_helpers`, the streams or the stores: a defect there must not hide itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import confluent_kafka as kafka
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka.admin import AdminClient
from deltalake import DeltaTable

from contracts.topics_names import CLICK, FEATURE_TOPICS, SHOP_TOPICS, dlq_name, late_name
from data_lake import catalog
from data_lake.catalog import Table
from data_lake.storage import LakeRoot, storage_options
from production_ops.ledger.model import Coordinate, Evidence, Row, Seen, Sent
from shared_utils.errors import DataError, DependencyError

NUMBER_HEADER: Final = "spool_id"
EVENT_TOPICS: Final = (*SHOP_TOPICS, *map(dlq_name, SHOP_TOPICS))
LIVE_TOPICS: Final = (*FEATURE_TOPICS, late_name(CLICK), *map(dlq_name, FEATURE_TOPICS))
"""What Flink makes of the events, and what the writer refuses of it."""
_PATIENCE_SECONDS: Final = 30.0
_READER_SECONDS: Final = 300.0
"""How long a reader may stand still, not how long it may take."""
_READER_POLL_SECONDS: Final = 0.25
_NO_KEEPER: Final = {
    kafka.KafkaError.NOT_COORDINATOR,
    kafka.KafkaError.COORDINATOR_NOT_AVAILABLE,
    kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
"""A broker that has just started is still finding out who keeps a group's offsets."""
_BATCH: Final = 5_000
_POLL_SECONDS: Final = 0.1
"""A batch that does not fill waits so long."""


def read_evidence(
    bootstrap_servers: str,
    lake_root: LakeRoot,
    truth: Path,
    due_by: datetime | None = None,
    wait_for: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Evidence:
    """Everything that a run left behind. With `due_by` only what was to be sent by then has to be there.

    `wait_for` names consumer groups, each with topics: the features and their archive are read once the first has read
    its topics to the end, then the next. The events are read before that.

    Raises:
        DependencyError: Kafka does not answer, or a group stands still.
        DataError: there is no truth file.
    """
    sent, events = read_truth(truth), read_topics(bootstrap_servers, EVENT_TOPICS)
    bronze, ends = _rows_of(catalog.BRONZE_OF_TOPIC, SHOP_TOPICS, lake_root), read_ends(lake_root)
    for group, names in wait_for.items():
        wait_until_read(bootstrap_servers, group, names)
    topics = {**events, **read_topics(bootstrap_servers, LIVE_TOPICS)}
    return Evidence(
        sent=sent if due_by is None else _due(sent, truth, due_by, topics),
        topics=topics,
        bronze=bronze,
        ends=ends,
        archived=_rows_of(catalog.BRONZE_OF_FEATURE_TOPIC, FEATURE_TOPICS, lake_root),
    )


def wait_until_read(bootstrap_servers: str, group: str, names: Sequence[str]) -> None:
    """Until a consumer group has committed every record of some topics.

    Raises:
        DependencyError: Kafka does not answer, or the group has stood still for five minutes.
    """
    config: dict[str, str | int | bool] = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
    consumer = kafka.Consumer({**config, "group.id": group, "enable.auto.commit": False})
    try:
        before, moved = -1, time.monotonic()
        while (unread := _unread(consumer, names)) != 0:
            if unread is not None and unread != before:
                before, moved = unread, time.monotonic()
            elif time.monotonic() - moved > _READER_SECONDS:
                left = "an unknown number of" if unread is None else f"{unread:,}"
                raise DependencyError(f"{group} stands still, {left} records left unread.", "Read its log.")
            time.sleep(_READER_POLL_SECONDS)
    except kafka.KafkaException as exc:
        raise DependencyError(f"Kafka at {bootstrap_servers} does not answer ({exc}).", "Start it.") from exc
    finally:
        consumer.close()


def _unread(consumer: kafka.Consumer, names: Sequence[str]) -> int | None:
    """Records behind the group's committed offsets, uncommitted partitions whole; None while nobody keeps its offsets.

    Raises:
        kafka.KafkaException: the broker does not answer.
    """
    there = consumer.list_topics(timeout=10).topics
    places = [
        kafka.TopicPartition(name, number) for name in names if name in there for number in there[name].partitions
    ]
    try:
        read = consumer.committed(places, timeout=10)
    except kafka.KafkaException as exc:
        if exc.args[0].code() in _NO_KEEPER:
            return None
        raise
    ends = (consumer.get_watermark_offsets(place, timeout=10)[1] for place in read)
    return sum(end - max(place.offset, 0) for place, end in zip(read, ends, strict=True))


def read_truth(path: Path) -> list[Sent]:
    """The intended fate of every record. Raises DataError without a file."""
    if not path.exists():
        raise DataError(f"There is no truth file {path}.", "Name the run's: --run-dir or --truth.")
    names = ("spool_id", "topic", "event_id", "fate", "fault")
    table = pq.read_table(path, columns=list(names))
    return [Sent(*row) for row in zip(*(table[name].to_pylist() for name in names), strict=True)]


def _due(sent: Sequence[Sent], truth: Path, due_by: datetime, topics: Mapping[str, Sequence[Seen]]) -> list[Sent]:
    """What a replay by the clock had to send by then, and what it has sent since: that is judged like the rest."""
    there = {seen.number for records in topics.values() for seen in records}
    arrivals = pq.read_table(truth, columns=["arrival_time"])["arrival_time"].to_pylist()
    return [one for one, arrival in zip(sent, arrivals, strict=True) if arrival <= due_by or one.number in there]


def read_topics(bootstrap_servers: str, names: Sequence[str]) -> dict[str, list[Seen]]:
    """Every committed record of those topics that exist, by partition and offset.

    Raises:
        DependencyError: the broker does not answer.
    """
    config: dict[str, str | int] = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
    try:
        there = AdminClient({**config}).list_topics(timeout=10).topics
    except kafka.KafkaException as exc:
        raise DependencyError(f"Kafka at {bootstrap_servers} does not answer ({exc}).", "Start it.") from exc
    found: dict[str, list[Seen]] = {name: [] for name in names if name in there}
    for seen in _read(config, {(name, number) for name in found for number in there[name].partitions}):
        found[seen.topic].append(seen)
    return {name: sorted(records, key=lambda seen: seen.coordinate) for name, records in found.items()}


def _read(config: Mapping[str, Any], places: set[tuple[str, int]]) -> Iterator[Seen]:
    """All partitions by one client: a client for each topic would spend its time on getting to know the broker."""
    consumer = kafka.Consumer(
        {
            **config,
            "group.id": "ledger",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.assign([kafka.TopicPartition(topic, number, kafka.OFFSET_BEGINNING) for topic, number in places])
        heard = time.monotonic()
        # The end that the broker itself reports, not an offset that was asked for before.
        while places:
            for message in consumer.consume(_BATCH, timeout=_POLL_SECONDS):
                heard = time.monotonic()
                error = message.error()
                if error is None:
                    yield _seen(message)
                elif error.code() == kafka.KafkaError._PARTITION_EOF:
                    places.discard((cast(str, message.topic()), cast(int, message.partition())))
                else:
                    raise DependencyError(
                        f"Kafka does not give {message.topic()}: {error.str()}.", "Look into its log."
                    )
            if time.monotonic() - heard > _PATIENCE_SECONDS:
                silent = ", ".join(sorted({topic for topic, _ in places}))
                raise DependencyError(f"Kafka fell silent in {silent}.", "Look into its log.")
    finally:
        consumer.close()


def _seen(message: kafka.Message) -> Seen:
    headers = dict(cast("list[tuple[str, bytes]]", message.headers() or ()))
    number = headers.get(NUMBER_HEADER) or b""  # a stranger's header may be null
    return Seen(
        topic=cast(str, message.topic()),
        partition=cast(int, message.partition()),
        offset=cast(int, message.offset()),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=headers,
        number=int(number) if number.isdigit() else None,
    )


def _rows_of(tables: Mapping[str, Table], topics: Sequence[str], lake_root: LakeRoot) -> dict[str, list[Row]]:
    """The rows of the bronze tables that exist, those that came through Kafka."""
    found: dict[str, list[Row]] = {}
    for topic in topics:
        columns = _columns(tables[topic], lake_root, ["topic", "partition", "offset", "value", "source"])
        if columns is not None:
            names = ("topic", "partition", "offset", "value", "source")
            rows = zip(*(columns[name].to_pylist() for name in names), strict=True)
            found[topic] = [Row((t, p, o), value) for t, p, o, value, source in rows if source == catalog.SOURCE_KAFKA]
    return found


def read_ends(lake_root: LakeRoot) -> list[tuple[Coordinate, str]]:
    """Where each coordinate ended: a row written twice stands twice, a repaired late row is late."""
    ends: list[tuple[Coordinate, str]] = []
    for table, fate in (
        (catalog.QUARANTINE, "'quarantine:' || reason"),
        (catalog.LATE_EVENT, "'late'"),
        (catalog.DUPLICATE_EVENT, "'duplicate'"),
    ):
        names = ["topic", "partition", "offset", *(["reason"] if table is catalog.QUARANTINE else [])]
        if (rows := _columns(table, lake_root, names)) is not None:
            query = f'SELECT topic, partition, "offset", {fate} FROM rows WHERE partition >= 0'  # noqa: S608
            ends += [((topic, partition, offset), end) for topic, partition, offset, end in _query(rows, query)]
    late = {coordinate for coordinate, fate in ends if fate == "late"}
    for topic in SHOP_TOPICS:
        table = catalog.SILVER_OF_TOPIC[topic]
        lines = ["line_number"] if table is catalog.TRANSACTION_LINE else []
        if (rows := _columns(table, lake_root, ["kafka_partition", "kafka_offset", *lines])) is not None:
            # A basket has a row a line: written twice, each of its lines stands twice.
            by_line = ", ".join(["kafka_partition", "kafka_offset", *lines])
            copies = f"SELECT kafka_partition AS p, kafka_offset AS o, count(*) AS n FROM rows WHERE p >= 0 GROUP BY {by_line}"  # noqa: E501, S608
            for partition, offset, count in _query(rows, f"SELECT p, o, max(n) FROM ({copies}) GROUP BY p, o"):  # noqa: S608
                if (topic, partition, offset) not in late:
                    ends += [((topic, partition, offset), "silver")] * count
    return ends


def _query(rows: pa.Table, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        con.register("rows", rows)
        return con.execute(query).fetchall()


def _columns(table: Table, lake_root: LakeRoot, names: list[str]) -> pa.Table | None:
    path, options = table.path(lake_root), storage_options(lake_root)
    if not DeltaTable.is_deltatable(path, options):
        return None
    return DeltaTable(path, storage_options=options).to_pyarrow_table(columns=names)
