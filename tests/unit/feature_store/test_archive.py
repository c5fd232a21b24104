"""The lake has each record once, whoever adds it how often; and a lake that is away costs no record."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from deltalake import DeltaTable

from contracts.topics_names import CUSTOMER_FEATURE, SESSION_FEATURE
from data_lake import maintenance
from data_lake.catalog import BRONZE_CUSTOMER_FEATURE, BRONZE_OF_FEATURE_TOPIC, Table
from feature_store.online_store import archive as archive_module
from feature_store.online_store.archive import ArchiveWorker, FeatureArchive, Taken
from feature_store.online_store.writer_metrics import WriterMetrics
from shared_utils.errors import DependencyError
from shared_utils.settings import FeatureWriterSettings
from tests.fakes.live_records import NOON, TRACE, customer_event, received, record

QUICK = FeatureWriterSettings(archive_seconds=0.01)


def taken(*offsets: int, partition: int = 0, end: int | None = None) -> Taken:
    sent = record(CUSTOMER_FEATURE, customer_event(7, NOON))
    records = [received(sent, offset, partition) for offset in offsets]
    last = max(offsets) if end is None else end
    return Taken(records, [offset + 1 for offset in offsets], {(CUSTOMER_FEATURE, partition): last})


def offsets_in(root: Path, partition: int = 0) -> list[int]:
    rows = DeltaTable(BRONZE_CUSTOMER_FEATURE.path(root)).to_pyarrow_table().to_pylist()
    return sorted(row["offset"] for row in rows if row["partition"] == partition)


def rows_in(root: Path) -> list[dict[str, object]]:
    rows = DeltaTable(BRONZE_CUSTOMER_FEATURE.path(root)).to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: (row["partition"], row["offset"]))


def test_a_record_is_kept_as_received(tmp_path: Path) -> None:
    archive = FeatureArchive(tmp_path)
    batch = taken(4)
    archive.append(batch)
    (row,) = DeltaTable(BRONZE_CUSTOMER_FEATURE.path(tmp_path)).to_pyarrow_table().to_pylist()
    assert (row["topic"], row["partition"], row["offset"], row["key"]) == (CUSTOMER_FEATURE, 0, 4, "7")
    assert row["value"] == batch.records[0].value
    assert row["headers"] == [{"key": "traceparent", "value": TRACE.encode()}]
    assert row["arrival_time"].timestamp() * 1000 == batch.records[0].timestamp_ms
    assert (row["ingest_time"].timestamp(), row["source"]) == (0.005, "kafka")
    assert row["ingest_date"] == NOON.date()


def test_what_is_there_is_not_added_again(tmp_path: Path) -> None:
    archive = FeatureArchive(tmp_path)
    assert archive.append(taken(0, 1, 2)) == 3
    assert FeatureArchive(tmp_path).append(taken(1, 2, 3)) == 1
    assert archive.append(taken(0, 1, 2, 3)) == 0
    assert archive.append(taken(0, partition=1)) == 1
    assert (offsets_in(tmp_path), offsets_in(tmp_path, 1)) == ([0, 1, 2, 3], [0])


def test_a_batch_of_refused_records_moves_the_position(tmp_path: Path) -> None:
    archive = FeatureArchive(tmp_path)
    archive.append(Taken([], [], {(CUSTOMER_FEATURE, 0): 41}))
    assert archive.last_offset((CUSTOMER_FEATURE, 0)) == 41
    assert archive.last_offset((CUSTOMER_FEATURE, 1)) == archive.last_offset((SESSION_FEATURE, 0)) == -1
    assert offsets_in(tmp_path) == []


def add_from_two(root: Path) -> None:
    """Two writers that both believe that nothing is there yet."""
    archives = [FeatureArchive(root), FeatureArchive(root)]
    batches = [taken(*range(start, start + 5)) for start in range(0, 100, 5)]

    def add(archive: FeatureArchive) -> None:
        worker = ArchiveWorker(archive, QUICK, WriterMetrics())
        for batch in batches:
            assert worker.add(batch)
        worker.close()

    threads = [threading.Thread(target=add, args=(archive,)) for archive in archives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_writers_at_once_add_each_record_once(tmp_path: Path) -> None:
    add_from_two(tmp_path)
    assert offsets_in(tmp_path) == list(range(100))


def test_without_positions_in_the_table_records_are_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = archive_module.append_with_positions
    monkeypatch.setattr(archive_module, "append_with_positions", lambda table, rows, _: append(table, rows, {}))
    add_from_two(tmp_path)
    assert len(offsets_in(tmp_path)) > 100


class BrokenLake(FeatureArchive):
    """Takes nothing until it is repaired."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.repaired = threading.Event()
        self.asked = threading.Event()

    def append(self, taken: Taken) -> int:
        self.asked.set()
        if not self.repaired.is_set():
            raise OSError(28, "No space left on device")
        return super().append(taken)


def test_a_full_disk_holds_up_the_lake_alone_until_the_memory_is_full(tmp_path: Path) -> None:
    lake, metrics = BrokenLake(tmp_path), WriterMetrics()
    worker = ArchiveWorker(lake, QUICK.model_copy(update={"max_pending_rows": 5}), metrics)
    assert [worker.add(taken(*pair)) for pair in ((0, 1), (2, 3), (4, 5))] == [True, True, False]
    assert lake.asked.wait(10)
    assert worker.take_settled() == {}
    assert metrics.value("feature_writer_pending_records") == 4
    lake.repaired.set()
    worker.close()
    assert offsets_in(tmp_path) == [0, 1, 2, 3]
    assert worker.take_settled() == {(CUSTOMER_FEATURE, 0): 3}
    assert metrics.value("feature_writer_failures_total", waits_for="lake") >= 1
    assert metrics.value("feature_writer_archived_records_total", topic=CUSTOMER_FEATURE) == 4


def test_a_lake_that_stays_away_is_an_error_at_the_end(tmp_path: Path) -> None:
    worker = ArchiveWorker(BrokenLake(tmp_path), QUICK, WriterMetrics())
    worker.add(taken(0))
    with pytest.raises(DependencyError, match="1 feature records"):
        worker.close(timeout_seconds=0.2)


def test_a_defect_in_the_archive_stops_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_records: Sequence[object], _ingest_ms: Sequence[int]) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(archive_module, "bronze_rows", broken)
    worker = ArchiveWorker(FeatureArchive(tmp_path), QUICK, WriterMetrics())
    worker.add(taken(0))
    with pytest.raises(ZeroDivisionError):
        worker.close()


def test_the_cadence_is_kept_and_the_end_does_not_wait_for_it(tmp_path: Path) -> None:
    worker = ArchiveWorker(FeatureArchive(tmp_path), FeatureWriterSettings(archive_seconds=3_600), WriterMetrics())
    worker.add(taken(0))
    worker.add(taken(1))
    worker.close()
    assert offsets_in(tmp_path) == [0, 1]
    assert DeltaTable(BRONZE_CUSTOMER_FEATURE.path(tmp_path)).version() == 1


@pytest.mark.parametrize("table", BRONZE_OF_FEATURE_TOPIC.values(), ids=lambda table: table.name)
def test_maintenance_knows_the_archive(table: Table) -> None:
    assert table is maintenance.BY_NAME[table.full_name]


def test_a_compacted_archive_knows_how_far_it_is(tmp_path: Path) -> None:
    archive = FeatureArchive(tmp_path)
    for offset in range(4):
        archive.append(taken(offset))
    archive.append(taken(0, 1, partition=1, end=5))
    before = rows_in(tmp_path)

    table = DeltaTable(BRONZE_CUSTOMER_FEATURE.path(tmp_path))
    assert maintenance.optimize(table) == (5, 1)
    table.create_checkpoint()
    table.cleanup_metadata()

    for reopened in (archive, FeatureArchive(tmp_path)):
        assert reopened.last_offset((CUSTOMER_FEATURE, 0)) == 3
        assert reopened.last_offset((CUSTOMER_FEATURE, 1)) == 5
        assert reopened.append(taken(0, 1, 2, 3)) == 0
    assert archive.append(taken(3, 4)) == 1
    assert [row for row in rows_in(tmp_path) if row["offset"] != 4] == before


def test_an_archive_is_compacted_while_the_writer_appends(tmp_path: Path) -> None:
    archive = FeatureArchive(tmp_path)
    for offset in range(3):
        archive.append(taken(offset))
    behind = DeltaTable(BRONZE_CUSTOMER_FEATURE.path(tmp_path))
    archive.append(taken(3))
    maintenance.optimize(behind)
    archive.append(taken(3, 4))
    assert offsets_in(tmp_path) == [0, 1, 2, 3, 4]
    assert FeatureArchive(tmp_path).last_offset((CUSTOMER_FEATURE, 0)) == 4
