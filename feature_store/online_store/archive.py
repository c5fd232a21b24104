"""The lake's memory of what serving saw: every accepted feature record in bronze, exactly once.

A table's own transactions say how far each Kafka partition is in it, and rows and position are one commit. So the
writer starts where the lake ends, whatever was killed in between, and two at once cannot both add a record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from data_lake.bronze_rows import append_with_positions, bronze_rows, create_bronze
from data_lake.catalog import BRONZE_OF_FEATURE_TOPIC
from data_lake.storage import LakeRoot
from feature_store.online_store.writer_metrics import LAKE, WriterMetrics
from shared_utils.errors import DependencyError
from shared_utils.records import Received
from shared_utils.settings import FeatureWriterSettings

log = structlog.get_logger(__name__)

Place = tuple[str, int]
"""Topic and partition."""

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0
_ROWS_PER_COMMIT: Final = 100_000


def app_id(place: Place) -> str:
    """The application id under which a table knows the position of a Kafka partition."""
    return f"feature_writer/{place[0]}/{place[1]}"


class Taken(NamedTuple):
    """What was taken in since the last hand-over: accepted records, when each stood in Redis, and the last offset read.

    `last_offsets` covers refused records too: a partition of nothing else still moves on.
    """

    records: Sequence[Received]
    ingest_ms: Sequence[int]
    last_offsets: Mapping[Place, int]


class FeatureArchive:
    """The bronze tables of the feature topics. Use it from one thread at a time."""

    def __init__(self, lake_root: LakeRoot) -> None:
        self._tables = {topic: create_bronze(table, lake_root) for topic, table in BRONZE_OF_FEATURE_TOPIC.items()}

    def last_offset(self, place: Place) -> int:
        """The last offset of a partition that the lake has dealt with, -1 for none."""
        table = self._fresh(place[0])
        version: int | None = table.transaction_version(app_id(place))
        return -1 if version is None else version

    def append(self, taken: Taken) -> int:
        """Add what is not there yet; gives the number of rows added.

        Raises:
            OSError, DeltaError: the lake does not take it; what is committed is complete, the rest is not there.
        """
        return sum(self._append_topic(topic, taken) for topic in sorted({topic for topic, _ in taken.last_offsets}))

    def _append_topic(self, topic: str, taken: Taken) -> int:
        ends = {place: offset for place, offset in taken.last_offsets.items() if place[0] == topic}
        known = {place: self.last_offset(place) for place in ends}
        moved = {app_id(place): offset for place, offset in ends.items() if offset > known[place]}
        if not moved:
            return 0
        pairs = zip(taken.records, taken.ingest_ms, strict=True)
        new = [(r, ms) for r, ms in pairs if r.topic == topic and r.offset > known[topic, r.partition]]
        rows = bronze_rows([record for record, _ in new], [ms for _, ms in new])
        append_with_positions(self._tables[topic], rows, moved)
        return len(new)

    def _fresh(self, topic: str) -> DeltaTable:
        table = self._tables[topic]
        table.update_incremental()
        return table


class ArchiveWorker:
    """Writes to the lake beside the hot path: its own thread, its own cadence, a bounded memory."""

    def __init__(self, archive: FeatureArchive, settings: FeatureWriterSettings, metrics: WriterMetrics) -> None:
        self._archive = archive
        self._settings = settings
        self._metrics = metrics
        self._changed = threading.Condition()
        self._pending: list[Taken] = []
        self._rows = 0
        self._oldest = 0.0
        self._stopping = False
        self._settled: dict[Place, int] = {}
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="archive", daemon=True)
        self._thread.start()

    def add(self, taken: Taken) -> bool:
        """Hand over a batch; False when there is no room now: the lake is behind, try again. Raises as the lake did."""
        with self._changed:
            if self._fault:
                raise self._fault
            if self._rows and self._rows + len(taken.records) > self._settings.max_pending_rows:
                return False
            if not self._pending:
                self._oldest = time.monotonic()
            self._pending.append(taken)
            self._rows += len(taken.records)
            self._metrics.pending.set(self._rows)
            self._changed.notify_all()
            return True

    def take_settled(self) -> dict[Place, int]:
        """The last archived offset of each partition that moved since the last call."""
        with self._changed:
            settled, self._settled = self._settled, {}
            return settled

    def close(self, timeout_seconds: float = 30.0) -> None:
        """Write what is pending, then end.

        Raises:
            DependencyError: the lake did not take it in time; the records are read from Kafka again at the next start.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_seconds)
        if self._fault:
            raise self._fault
        if self._thread.is_alive() or self._pending:
            raise DependencyError(
                f"The lake did not take {self._rows} feature records within {timeout_seconds:.0f} s.",
                "Free its disk; the next start reads them from Kafka again.",
            )

    def _run(self) -> None:
        try:
            while self._wait_until_due():
                self._write_pending()
        except BaseException as exc:  # a defect must stop the writer, not only this thread
            self._fault = exc
            log.exception("archive_stopped")

    def _wait_until_due(self) -> bool:
        """Wait for the cadence; False when all is written and the worker is to end."""
        with self._changed:
            while True:
                age = time.monotonic() - self._oldest if self._pending else 0.0
                full = self._rows >= self._settings.archive_rows
                if self._pending and (full or self._stopping or age >= self._settings.archive_seconds):
                    return True
                if self._stopping:
                    return False
                self._changed.wait(self._settings.archive_seconds - age if self._pending else None)

    def _write_pending(self) -> None:
        with self._changed:
            count, rows = 0, 0
            while count < len(self._pending) and (not count or rows < _ROWS_PER_COMMIT):
                rows += len(self._pending[count].records)
                count += 1
            merged = _merged(self._pending[:count])
        self._append(merged)
        with self._changed:
            del self._pending[:count]
            self._rows -= len(merged.records)
            self._oldest = time.monotonic()
            self._settled.update(merged.last_offsets)
            self._metrics.pending.set(self._rows)

    def _append(self, taken: Taken) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                self._archive.append(taken)
                break
            except (OSError, DeltaError) as exc:
                self._metrics.failures[LAKE].inc()
                self._metrics.waiting[LAKE].set(1)
                log.warning("archive_waits_for_lake", records=len(taken.records), error=str(exc))
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self._metrics.waiting[LAKE].set(0)
        for record in taken.records:
            self._metrics.archived[record.topic].inc()


def _merged(batches: Sequence[Taken]) -> Taken:
    ends: dict[Place, int] = {}
    for batch in batches:
        ends.update(batch.last_offsets)
    records = [record for batch in batches for record in batch.records]
    return Taken(records, [ms for batch in batches for ms in batch.ingest_ms], ends)
