"""Reading catalogue tables into frames and writing frames back, by interval or whole. The only I/O of the jobs."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch_processing.interval import Interval
from data_lake import tables
from data_lake.catalog import Table
from data_lake.storage import LakeRoot
from shared_utils.errors import DataError


@dataclass(frozen=True)
class LakeIO:
    """A lake seen through an engine's session."""

    session: SparkSession
    root: LakeRoot

    def read(self, table: Table) -> DataFrame:
        """The whole table.

        Raises:
            DataError: the table does not exist yet.
        """
        frame = self.read_if_exists(table)
        if frame is None:
            raise DataError(f"{table.full_name} does not exist.", "Run the job that writes it first.")
        return frame

    def read_if_exists(self, table: Table) -> DataFrame | None:
        """The whole table, or None before its first write."""
        if not tables.exists(table, self.root):
            return None
        return self.session.read.format("delta").load(table.path(self.root))

    def overwrite_where(self, frame: DataFrame, table: Table, condition: str) -> None:
        """Replace the rows that meet `condition` by the rows of `frame` that meet it, in one commit."""
        rows = _grouped(frame.where(condition), table)
        writer = rows.write.format("delta").mode("overwrite")
        if tables.exists(table, self.root):
            # A mismatch of columns must fail here, not widen the table.
            writer.option("replaceWhere", condition).save(table.path(self.root))
        else:
            writer.partitionBy(*table.partition_by).save(table.path(self.root))

    def overwrite_days(self, frame: DataFrame, table: Table, interval: Interval, *, column: str = "event_date") -> None:
        """Replace the interval's days of a table that is partitioned by `column`."""
        self.overwrite_where(frame, table, interval.predicate(column))

    def overwrite(self, frame: DataFrame, table: Table) -> None:
        """Replace the whole table."""
        frame.coalesce(1).write.format("delta").mode("overwrite").save(table.path(self.root))


def _grouped(frame: DataFrame, table: Table) -> DataFrame:
    """One file a partition: otherwise Spark writes one for each of its tasks and day, hundreds of tiny ones."""
    return frame.repartition(*(F.col(name) for name in table.partition_by)) if table.partition_by else frame
