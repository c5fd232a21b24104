"""One micro-batch into the lake: bronze, quarantine, late, duplicate, silver, then the DLQ; each table exactly once.

A batch that crashed half-way is replayed from the same offsets. Its fates come out the same (see data_lake.transforms.
fates), and a table that has seen (query id, batch id) skips its write, so nothing is lost and nothing doubled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date

import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.registry import topic as topic_of
from data_lake.catalog import DUPLICATE_EVENT, LATE_EVENT, QUARANTINE, Table
from data_lake.storage import root_of
from data_lake.transforms import fates, refused
from data_lake.transforms.bronze import BRONZE_COLUMNS, from_kafka
from data_lake.transforms.decode import judge
from shared_utils.errors import PlatformError
from shared_utils.settings import Settings
from stream_processing.core.checkpoints import Checkpoint
from stream_processing.core.tally import Fate, Tally, check_reject_ratio, of_fate
from stream_processing.spark_streaming import dead_letters, lake_io
from stream_processing.spark_streaming.job import StreamJob

log = structlog.get_logger(__name__)

DLQ_STEP = "dlq"
AfterStep = Callable[[str], None]


def app_id(query_id: str, table: Table) -> str:
    """The transaction application id under which a query's batches are known to a table."""
    return f"{query_id}/{table.full_name}"


def _nothing(_: str) -> None:
    return None


class BatchWriter:
    """The `foreachBatch` function of one stream.

    `after_step` is called with the table's full name (or "dlq") after each write: tests crash there. `failure` keeps
    the platform error that stopped the stream, which Spark would only hand on as text.
    """

    def __init__(
        self, job: StreamJob, settings: Settings, checkpoint: Checkpoint, after_step: AfterStep = _nothing
    ) -> None:
        self.job = job
        self.tally = Tally(job.topic)
        self.failure: PlatformError | None = None
        self._settings = settings
        self._checkpoint = checkpoint
        self._after_step = after_step

    def __call__(self, batch: DataFrame, batch_id: int) -> None:
        """Write one batch.

        Raises:
            RejectRatioError: too much of it is refused; bronze has it, nothing else does.
        """
        began = time.monotonic()
        try:
            counts = self._write(batch, batch_id)
        except PlatformError as exc:
            self.failure = exc
            raise
        self.tally.add(counts, time.monotonic() - began)
        log.info("batch_written", topic=self.job.topic, batch_id=batch_id, **_by_fate(counts))

    def _write(self, batch: DataFrame, batch_id: int) -> Mapping[Fate, int]:
        # Not persist(): a cached plan is computed anew once a table that it reads has changed, and this one reads two
        # of the tables that are written from it.
        fated = self._with_fates(from_kafka(batch)).localCheckpoint()
        counts = _count(fated)
        self._write_tables(fated, counts, batch_id)
        return counts

    def _with_fates(self, raw: DataFrame) -> DataFrame:
        lateness = self._settings.lake.allowed_lateness_seconds
        return fates.assign_fates(judge(raw, self.job.topic), self._known(raw), allowed_lateness_seconds=lateness)

    def _known(self, raw: DataFrame) -> DataFrame | None:
        lake, spark = self._settings.lake, raw.sparkSession
        root = root_of(self._settings)
        silver, late = (lake_io.read(spark, table, root) for table in (self.job.silver, LATE_EVENT))
        if silver is None and late is None:
            return None
        # Asked for only where it prunes: without silver it would be one more reading of the batch from Kafka.
        first = date.max if silver is None else _first_arrival(raw)
        topic, days = self.job.topic, lake.id_horizon_days
        return fates.known_events(silver, late, topic, first_arrival=first, horizon_days=days)

    def _write_tables(self, fated: DataFrame, counts: Mapping[Fate, int], batch_id: int) -> None:
        lake = self._settings.lake
        # Bronze takes every batch, also an empty one: its last transaction says how far the stream has come.
        self._append(fated.select(*BRONZE_COLUMNS), self.job.bronze, batch_id)
        check_reject_ratio(self.job.topic, counts, limit=lake.max_reject_ratio, min_rows=lake.reject_ratio_min_rows)
        rejected = refused.quarantine(fates.of_fate(fated, fates.QUARANTINE))
        if of_fate(counts, fates.QUARANTINE):
            self._append(rejected, QUARANTINE, batch_id)
        if of_fate(counts, fates.LATE):
            self._append(refused.late_event(fates.of_fate(fated, fates.LATE)), LATE_EVENT, batch_id)
        if of_fate(counts, fates.DUPLICATE):
            self._append(refused.duplicate_event(fates.of_fate(fated, fates.DUPLICATE)), DUPLICATE_EVENT, batch_id)
        if of_fate(counts, fates.SILVER):
            self._append(self._silver_rows(fated), self.job.silver, batch_id)
        if of_fate(counts, fates.QUARANTINE) and topic_of(self.job.topic).dlq:
            dead_letters.produce(rejected, self.job.topic, self._settings.kafka)
            self._after_step(DLQ_STEP)

    def _silver_rows(self, fated: DataFrame) -> DataFrame:
        """What silver lacks: the batch road may have folded a crashed batch's bronze rows in meanwhile."""
        accepted = fates.of_fate(fated, fates.SILVER).filter(F.col("settled_in").isNull())
        return self.job.to_silver(accepted, root_of(self._settings))

    def _append(self, rows: DataFrame, table: Table, batch_id: int) -> None:
        root = root_of(self._settings)
        if self._checkpoint.rebuild_mark.exists():
            rows = _not_yet_in(rows, lake_io.read(rows.sparkSession, table, root))
        query_id = self._checkpoint.query_id()
        lake_io.append_once(rows, table, root, app_id=app_id(query_id, table), batch_id=batch_id)
        self._after_step(table.full_name)


def _first_arrival(raw: DataFrame) -> date:
    # Kafka's own timestamp: no value is decoded for this.
    row = raw.agg(F.min("ingest_date").alias("first")).head()
    return row["first"] if row and row["first"] else date.max


def _count(fated: DataFrame) -> Mapping[Fate, int]:
    return {(row["fate"], row["reason"]): row["count"] for row in fated.groupBy("fate", "reason").count().collect()}


def _by_fate(counts: Mapping[Fate, int]) -> dict[str, int]:
    return {name: of_fate(counts, name) for name in (fates.SILVER, fates.LATE, fates.DUPLICATE, fates.QUARANTINE)}


def _not_yet_in(rows: DataFrame, table: DataFrame | None) -> DataFrame:
    if table is None:
        return rows
    prefix = "kafka_" if "kafka_offset" in rows.columns else ""
    return rows.join(table, on=[f"{prefix}{name}" for name in ("topic", "partition", "offset")], how="left_anti")
