"""Bronze rows without an engine: Kafka records as an Arrow table of the shape that the streams write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from data_lake import tables
from data_lake.catalog import SOURCE_KAFKA, Table
from data_lake.storage import LakeRoot
from shared_utils.records import Received
from shared_utils.time_utils import EPOCH

BRONZE_SCHEMA: Final = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("key", pa.string()),
        ("value", pa.binary()),
        ("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        ("arrival_time", pa.timestamp("us", tz="UTC")),
        ("ingest_time", pa.timestamp("us", tz="UTC")),
        ("source", pa.string()),
        ("ingest_date", pa.date32()),
    ]
)

RECORD_COLUMNS: Final = ("topic", "partition", "offset", "value", "headers", "arrival_time")
_MILLISECOND: Final = timedelta(milliseconds=1)


def bronze_rows(records: Sequence[Received], ingest_ms: Sequence[int]) -> pa.Table:
    """One row per record. `ingest_ms`: when each was taken in, epoch ms; it also stands for a missing arrival."""
    arrivals = [ms if r.timestamp_ms is None else r.timestamp_ms for r, ms in zip(records, ingest_ms, strict=True)]
    columns = [
        [record.topic for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
        [None if record.key is None else record.key.decode(errors="replace") for record in records],
        [record.value for record in records],
        [[{"key": name, "value": value} for name, value in record.headers.items()] for record in records],
        [arrival * 1_000 for arrival in arrivals],
        [ingest * 1_000 for ingest in ingest_ms],
        [SOURCE_KAFKA] * len(records),
        [datetime.fromtimestamp(arrival / 1_000, UTC).date() for arrival in arrivals],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, BRONZE_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=BRONZE_SCHEMA)


def received_rows(batch: pa.RecordBatch) -> Iterator[Received]:
    """The records of bronze rows with at least RECORD_COLUMNS; headers of the same name are one."""
    columns = batch.to_pydict()
    for topic, partition, offset, value, headers, arrival in zip(*map(columns.get, RECORD_COLUMNS), strict=True):
        named = {header["key"]: header["value"] for header in headers or ()}
        yield Received(topic, None, value, (arrival - EPOCH) // _MILLISECOND, named, partition, offset)


def create_bronze(table: Table, lake_root: LakeRoot) -> DeltaTable:
    """The table, made empty unless it exists."""
    if not tables.exists(table, lake_root):
        tables.create_of(table, lake_root, BRONZE_SCHEMA)
    return tables.open_delta(table, lake_root)


def append_with_positions(table: DeltaTable, rows: pa.Table, positions: dict[str, int]) -> None:
    """Add rows and transaction versions (`positions`: application id to version) in one commit.

    Raises:
        deltalake.exceptions.CommitFailedError: another writer moved one of these application ids meanwhile.
    """
    transactions = [Transaction(app_id, version) for app_id, version in positions.items()]
    write_deltalake(table, rows, mode="append", commit_properties=CommitProperties(app_transactions=transactions))
