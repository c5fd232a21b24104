"""One of several writers of a table on S3: appends single rows. As a program it is a Spark driver."""

from __future__ import annotations

import sys

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from data_lake.storage import S3Root, root_of, storage_options
from shared_utils.settings import load_settings

NAME = "contended"


def create(root: S3Root) -> DeltaTable:
    """The empty table: of several first appends each would set its schema, and refuse the others."""
    schema = pa.schema([("writer", pa.int64()), ("number", pa.int64())])
    return DeltaTable.create(str(root / NAME), schema, storage_options=storage_options(root))


def append(root: S3Root, writer: int, count: int) -> int:
    """Append `count` rows of this writer, one commit each; gives how many it holds for written."""
    for number in range(count):
        rows = pa.table({"writer": pa.array([writer], pa.int64()), "number": pa.array([number], pa.int64())})
        # Eight at once lose more races than the fifteen that deltalake retries by itself.
        often = CommitProperties(max_commit_retries=100)
        options = storage_options(root)
        write_deltalake(str(root / NAME), rows, mode="append", storage_options=options, commit_properties=often)
    return count


def main(writer: int, count: int) -> None:
    from stream_processing.spark_streaming.session import start_session

    root = root_of(load_settings())
    spark = start_session(f"writer-{writer}", root)
    for number in range(count):
        rows = spark.sql(f"SELECT {writer}L AS writer, {number}L AS number").coalesce(1)
        rows.write.format("delta").mode("append").save(str(root / NAME))
    spark.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
