"""The shop's streams in a driver that is killed, with its JVM, right after its n-th write. In the spark environment.

Arguments: how many writes pass; `naive` for a sink without transaction ids, the mutant that doubles what it writes
again. Bronze keeps its transactions also then: the stream itself checks them when it starts.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from pathlib import Path

from pyspark.sql import DataFrame

from contracts.topics_names import SHOP_TOPICS
from data_lake.catalog import Table
from shared_utils.settings import load_settings
from stream_processing.spark_streaming import lake_io, runner
from stream_processing.spark_streaming.run import select_jobs
from stream_processing.spark_streaming.session import start_session

_append_once = lake_io.append_once


def append_naively(rows: DataFrame, table: Table, lake_root: Path, *, app_id: str, batch_id: int) -> None:
    """A plain append: a batch that is replayed stands there again."""
    if table.layer == "bronze" and table.name != "quarantine":
        _append_once(rows, table, lake_root, app_id=app_id, batch_id=batch_id)
    else:
        rows.write.format("delta").mode("append").partitionBy(*table.partition_by).save(table.path(lake_root))


def main(arguments: list[str]) -> int:
    if "naive" in arguments:
        lake_io.append_once = append_naively
    last, lock, writes = int(arguments[0]), threading.Lock(), itertools.count(1)

    def kill_after_the_last(_: str) -> None:
        with lock:
            if next(writes) == last:
                os.killpg(os.getpgid(0), signal.SIGKILL)

    settings = load_settings()
    spark = start_session("killed_stream")
    jobs = select_jobs(",".join(SHOP_TOPICS))
    streams = [runner.prepare(job, settings, rebuild=False, after_step=kill_after_the_last) for job in jobs]
    runner.drain(spark, streams, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
