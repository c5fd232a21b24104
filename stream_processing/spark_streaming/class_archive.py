"""Writes the archive of classes that Spark's JVMs map into memory instead of loading and linking each class anew.

Run: `python -m stream_processing.spark_streaming.class_archive` (part of `make setup`; writes `session.CLASS_ARCHIVE`)
It does once, in small, what the streams and the clients of Spark Connect do; the JVM writes down what it has loaded as
it ends. An archive fits one JVM and one class path: any other JVM says so in its log and starts without it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.connect.session import SparkSession as ConnectSession

from shared_utils.cli import run_main
from shared_utils.errors import DependencyError
from shared_utils.local_stack.ports import free_port
from stream_processing.spark_streaming.session import CLASS_ARCHIVE, read_defaults, start_session

_OPTIONS: Final = "spark.driver.extraJavaOptions"
_ROWS: Final = 1_000


def main(argv: Sequence[str] | None = None) -> int:
    """Write the archive anew.

    Raises:
        DependencyError: this JVM wrote none.
    """
    argparse.ArgumentParser(
        prog="python -m stream_processing.spark_streaming.class_archive", description=__doc__
    ).parse_args(argv)
    CLASS_ARCHIVE.unlink(missing_ok=True)
    port = free_port()
    settings = {
        # Classes that cannot be archived (generated ones, old ones) are no news.
        _OPTIONS: f"{read_defaults()[_OPTIONS]} -XX:ArchiveClassesAtExit={CLASS_ARCHIVE} -Xlog:cds*=error",
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
    }
    spark = start_session("class-archive", settings=settings)
    with tempfile.TemporaryDirectory() as folder:
        _stream(spark, Path(folder))
        client = ConnectSession.builder.remote(f"sc://127.0.0.1:{port}").create()
        _write_and_read(client, Path(folder) / "connect")
        client.stop()
        jvm = spark.sparkContext._gateway.proc
        spark.stop()
        # It ends with its input, and writes as it ends.
        jvm.stdin.close()
        jvm.wait()
    if not CLASS_ARCHIVE.exists():
        raise DependencyError(f"The JVM ended without {CLASS_ARCHIVE}.", "Use a JDK with class data sharing.")
    return 0


def _stream(spark: SparkSession, folder: Path) -> None:
    """A stream into Delta, batch by batch, as every streaming job does it."""

    def write(batch: DataFrame, batch_id: int) -> None:
        rows = batch.select("value", F.to_json(F.struct("value")).alias("text")).localCheckpoint()
        parsed = rows.select("value", F.from_json("text", "value BIGINT").alias("document"))
        parsed.groupBy("value").count().collect()
        writer = parsed.write.format("delta").mode("append").option("txnAppId", "archive")
        writer.option("txnVersion", batch_id).save(str(folder / "streamed"))

    _write_and_read(spark, folder / "classic")
    source = spark.readStream.format("delta").load(str(folder / "classic")).select(F.col("id").alias("value"))
    query = source.writeStream.foreachBatch(write).option("checkpointLocation", str(folder / "checkpoint"))
    query.trigger(availableNow=True).start().awaitTermination()


def _write_and_read(spark: SparkSession | ConnectSession, table: Path) -> None:
    """A partitioned table written, replaced in part, joined and ranked, as the batch jobs do it."""
    rows = spark.range(_ROWS).selectExpr("id", "id % 7 AS day", "string(id) AS text", "timestamp_seconds(id) AS at")
    rows.write.format("delta").partitionBy("day").save(str(table))
    rows.where("day = 1").write.format("delta").mode("overwrite").option("replaceWhere", "day = 1").save(str(table))
    kept = spark.read.format("delta").load(str(table))
    sums = kept.groupBy("day").agg({"id": "sum", "at": "max"}).hint("broadcast")
    place = "row_number() OVER (PARTITION BY day ORDER BY id DESC) AS place"
    kept.join(sums, on="day").selectExpr("*", place).where("place <= 2").collect()


if __name__ == "__main__":
    run_main(main)
