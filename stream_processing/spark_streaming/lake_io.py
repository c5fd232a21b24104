"""Reading and appending Delta tables from a stream."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from data_lake import tables
from data_lake.catalog import DUPLICATE_EVENT, LATE_EVENT, QUARANTINE, Table
from data_lake.storage import LakeRoot
from data_lake.transforms.refused import DUPLICATE_EVENT_DDL, LATE_EVENT_DDL, QUARANTINE_DDL

_SHARED_TABLES = ((QUARANTINE, QUARANTINE_DDL), (LATE_EVENT, LATE_EVENT_DDL), (DUPLICATE_EVENT, DUPLICATE_EVENT_DDL))


def read(spark: SparkSession, table: Table, lake_root: LakeRoot) -> DataFrame | None:
    """A table as it stands now, or None when nothing has written it yet."""
    return spark.read.format("delta").load(table.path(lake_root)) if tables.exists(table, lake_root) else None


def create_shared_tables(lake_root: LakeRoot) -> None:
    """Make the tables that several streams append to: two first appends at once would refuse each other."""
    for table, ddl in _SHARED_TABLES:
        tables.create(table, lake_root, ddl)


def append_once(rows: DataFrame, table: Table, lake_root: LakeRoot, *, app_id: str, batch_id: int) -> None:
    """Append a batch's rows unless the table has seen this batch of this query.

    One file per partition: batches are small, and small files are what makes a lake slow.
    """
    writer = rows.coalesce(1).write.format("delta").mode("append").partitionBy(*table.partition_by)
    writer.option("txnAppId", app_id).option("txnVersion", batch_id).save(table.path(lake_root))
