"""Runs streams: checks each checkpoint, starts the queries in one driver, waits, and says what became of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from data_lake import tables
from data_lake.catalog import SOURCE_KAFKA
from data_lake.storage import root_of
from shared_utils.cli import stop_signal
from shared_utils.errors import CheckpointError
from shared_utils.settings import Settings
from stream_processing.core.checkpoints import Checkpoint, check_fits, remedy
from stream_processing.core.tally import Tally
from stream_processing.spark_streaming import lake_io
from stream_processing.spark_streaming.batch_writer import AfterStep, BatchWriter, app_id
from stream_processing.spark_streaming.job import StreamJob

log = structlog.get_logger(__name__)

TRIGGER_INTERVAL: Final = "5 seconds"
# One stream's planning overlaps with another's work; more at once only need more memory.
CONCURRENT_DRAINS: Final = 2
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Stream:
    """A job with the writer and the checkpoint of this run."""

    job: StreamJob
    writer: BatchWriter
    checkpoint: Checkpoint


def checkpoint_of(job: StreamJob, settings: Settings) -> Checkpoint:
    """Where a job keeps its checkpoint."""
    return Checkpoint(settings.run_dir.resolve() / "checkpoints" / job.name)


def prepare(job: StreamJob, settings: Settings, *, rebuild: bool, after_step: AfterStep | None = None) -> Stream:
    """A stream whose checkpoint fits its tables.

    `rebuild` accepts that the checkpoint is gone: everything in Kafka is read again, and what the lake has is left out.

    Raises:
        CheckpointError: it is missing though the lake has rows of this stream, damaged, or of another age than bronze.
    """
    checkpoint = checkpoint_of(job, settings)
    if checkpoint.exists:
        progress = checkpoint.progress()
        written = tables.last_transaction(job.bronze, root_of(settings), app_id(progress.query_id, job.bronze))
        check_fits(checkpoint, progress, written)
    elif tables.holds_rows_from(job.bronze, root_of(settings), SOURCE_KAFKA):
        _allow_rebuild(checkpoint, job, rebuild=rebuild)
    writer = BatchWriter(job, settings, checkpoint, *([after_step] if after_step else []))
    return Stream(job, writer, checkpoint)


def drain(spark: SparkSession, streams: Sequence[Stream], settings: Settings) -> list[Tally]:
    """Write all that the topics hold now, and stop. Every stream runs to its end, also when another one fails.

    Raises:
        PlatformError: the first stream that stopped on one.
    """
    lake_io.create_shared_tables(root_of(settings))

    def run(stream: Stream) -> Exception | None:
        return _end_of(stream, _start(spark, stream, settings, once=True))

    with ThreadPoolExecutor(CONCURRENT_DRAINS) as pool:
        _raise_first(pool.map(run, streams))
    for stream in streams:
        stream.checkpoint.rebuild_mark.unlink(missing_ok=True)
    return [stream.writer.tally for stream in streams]


def follow(spark: SparkSession, streams: Sequence[Stream], settings: Settings, mark: Path | None = None) -> list[Tally]:
    """Write batch after batch until SIGTERM or SIGINT, or until one stream fails.

    `mark` is a file that is there once each stream has looked into its topic.

    Raises:
        PlatformError: the stream that stopped on one.
    """
    lake_io.create_shared_tables(root_of(settings))
    with stop_signal() as stopped:
        queries = [(stream, _start(spark, stream, settings, once=False)) for stream in streams]
        while all(query.isActive for _, query in queries) and not stopped.wait(_POLL_SECONDS):
            if mark and not mark.exists() and all(_has_looked(query) for _, query in queries):
                mark.touch()
    for _, query in queries:
        query.stop()
    _raise_first(_end_of(stream, query) for stream, query in queries)
    return [stream.writer.tally for stream in streams]


def _has_looked(query: StreamingQuery) -> bool:
    """Whether it has found new records in its topic, or none."""
    return bool(query.status["isDataAvailable"] or query.lastProgress)


def _allow_rebuild(checkpoint: Checkpoint, job: StreamJob, *, rebuild: bool) -> None:
    if not rebuild and not checkpoint.rebuild_mark.exists():
        raise CheckpointError(
            f"The checkpoint {checkpoint.folder} is missing, but {job.bronze.full_name} holds rows of this stream. "
            "Nothing was read or written.",
            remedy(),
        )
    checkpoint.rebuild_mark.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.rebuild_mark.touch()
    log.warning("checkpoint_rebuilding", job=job.name)


def _start(spark: SparkSession, stream: Stream, settings: Settings, *, once: bool) -> StreamingQuery:
    writer = _source(spark, stream.job, settings).writeStream.queryName(stream.job.name).foreachBatch(stream.writer)
    writer = writer.option("checkpointLocation", str(stream.checkpoint.folder))
    return (writer.trigger(availableNow=True) if once else writer.trigger(processingTime=TRIGGER_INTERVAL)).start()


def _source(spark: SparkSession, job: StreamJob, settings: Settings) -> DataFrame:
    options = {
        "kafka.bootstrap.servers": settings.kafka.bootstrap_servers,
        "subscribe": job.topic,
        "startingOffsets": "earliest",
        "failOnDataLoss": "true",
        "includeHeaders": "true",
    }
    return spark.readStream.format("kafka").options(**options).load()


def _end_of(stream: Stream, query: StreamingQuery) -> Exception | None:
    """Waits for the query; the platform's error if it stopped on one, else Spark's, else None."""
    try:
        query.awaitTermination()
    except StreamingQueryException as exc:
        return stream.writer.failure or exc
    return None


def _raise_first(ends: Iterable[Exception | None]) -> None:
    errors = [error for error in ends if error is not None]
    if errors:
        raise errors[0]
