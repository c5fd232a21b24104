"""F28: a full disk under the feature archive, which waits and goes on by itself; and under a producer's spool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from contracts.topics_names import CUSTOMER_FEATURE
from data_lake.catalog import BRONZE_CUSTOMER_FEATURE
from feature_store.online_store.archive import ArchiveWorker, FeatureArchive, Taken
from feature_store.online_store.writer_metrics import WriterMetrics
from shared_utils.errors import DependencyError
from shared_utils.kafka_helpers import Producer
from shared_utils.local_stack.ports import free_port
from shared_utils.records import Received, Record
from shared_utils.settings import FeatureWriterSettings, KafkaSettings
from shared_utils.spool import Spool
from tests.fakes.serving_process import wait_until
from tests.fakes.small_disk import SmallDisk, small_disk

pytestmark = [pytest.mark.integration]

Note = Callable[[str, object], None]
ROWS = 200


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", megabytes=4) as disk:
        yield disk


def taken(first: int) -> Taken:
    records = [
        Received(CUSTOMER_FEATURE, b"1", b"{}" * 50, 1_790_000_000_000, {}, partition=0, offset=first + n)
        for n in range(ROWS)
    ]
    return Taken(records, [1_790_000_000_000] * ROWS, {(CUSTOMER_FEATURE, 0): first + ROWS - 1})


def offsets(lake: Path) -> list[int]:
    found: list[int] = DeltaTable(BRONZE_CUSTOMER_FEATURE.path(lake)).to_pyarrow_table()["offset"].to_pylist()
    return sorted(found)


def test_f28_a_full_disk_holds_the_archive_up_and_loses_nothing(disk: SmallDisk, record_property: Note) -> None:
    lake, metrics = disk.folder / "lake", WriterMetrics()
    worker = ArchiveWorker(FeatureArchive(lake), FeatureWriterSettings(archive_seconds=0.05), metrics)
    assert worker.add(taken(0))
    wait_until(lambda: len(offsets(lake)) == ROWS, "the first rows", 30)
    disk.fill()
    assert worker.add(taken(ROWS))
    wait_until(lambda: metrics.value("feature_writer_failures_total", waits_for="lake") >= 2, "two refusals", 30)
    assert metrics.value("feature_writer_waiting", waits_for="lake") == 1  # what an alert looks at
    assert offsets(lake) == list(range(ROWS))  # still readable, nothing half-written
    disk.free()
    wait_until(lambda: len(offsets(lake)) == 2 * ROWS, "the rest", 30)
    worker.close()
    assert offsets(lake) == list(range(2 * ROWS))
    assert metrics.value("feature_writer_waiting", waits_for="lake") == 0
    record_property("rows lost", 0)


def test_f28_a_producer_holds_what_neither_kafka_nor_its_spool_takes(disk: SmallDisk, record_property: Note) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    settings = KafkaSettings(bootstrap_servers=nobody, spool_dir=disk.folder / "spool", delivery_timeout_ms=1_000)
    records = [Record("shop.click.v1", b"1", b"x" * 20_000 + bytes([n])) for n in range(6)]
    producer = Producer(settings, "test")
    for record in records[:2]:
        producer.send(record)
    with pytest.raises(DependencyError, match="kept in"):
        producer.flush()
    disk.fill(leave_kib=64)
    for record in records[2:4]:
        producer.send(record)
    with pytest.raises(DependencyError, match="No space left"):
        producer.flush()
    disk.free()
    for record in records[4:]:
        producer.send(record)
    with pytest.raises(DependencyError, match="did not take 6 records"):
        producer.close()
    spool = Spool(settings.spool_dir / "test.ndjson")
    assert spool.read() == records
    spool.close()
    record_property("records lost", 0)
