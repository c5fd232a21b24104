"""What becomes of each received row: silver, late, duplicate or quarantine. One of them, and the same on a replay.

First wins by `event_id`. Inside one input the first is the smallest (arrival_time, partition, offset); a row that an
earlier batch settled comes before all others. A row is a second arrival only of a row with *other* Kafka coordinates:
that keeps the answer stable when a batch is replayed after some of its own rows already reached silver.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contracts.validators.validate_kafka_event import RejectReason

SILVER: Final = "silver"
LATE: Final = "late"
DUPLICATE: Final = "duplicate"
QUARANTINE: Final = "quarantine"

_KNOWN_DDL: Final = {
    "settled_in": "string",
    "known_sha256": "string",
    "known_partition": "int",
    "known_offset": "bigint",
}


def known_events(
    silver: DataFrame | None, late: DataFrame | None, topic: str, *, first_arrival: date, horizon_days: int
) -> DataFrame | None:
    """What silver and late_event hold already of one topic; None when neither table exists.

    Grain: one row per event_id: the table that settled it (`settled_in`), the first payload's hash and coordinates.
    Silver is read from `horizon_days` before the first arrival on, which prunes its partitions: a repeat that comes
    later than that after its event is late by any rule, and late_event is read whole. A late row that the nightly
    repair folded into silver stands in both tables, with the same coordinates.
    """
    parts = []
    if silver is not None:
        recent = silver.filter(F.col("event_date") >= F.lit(first_arrival - timedelta(horizon_days)))
        parts.append(_identities(recent, SILVER, "kafka_partition", "kafka_offset"))
    if late is not None:
        parts.append(_identities(late.filter(F.col("topic") == topic), LATE, "partition", "offset"))
    if not parts:
        return None
    first = F.max(F.struct(*_KNOWN_DDL)).alias("known")
    return reduce(DataFrame.unionByName, parts).groupBy("event_id").agg(first).select("event_id", "known.*")


def assign_fates(judged: DataFrame, known: DataFrame | None, *, allowed_lateness_seconds: int) -> DataFrame:
    """Judged rows with their `fate`; second arrivals with another payload get reason ID_CONFLICT.

    Grain: one row per judged row. Late := arrival_time - event_time > `allowed_lateness_seconds`. `settled_in` says
    which table holds this very row already (null: none).
    """
    ranked = _with_first(_with_known(judged, known))
    valid, is_first = F.col("reason").isNull(), F.col("arrival_rank") == 1
    same_payload = F.col("payload_sha256") == F.col("first_sha256")
    settled_elsewhere = F.col("known_sha256").isNotNull() & ~F.col("is_settled")
    first = valid & is_first & ~settled_elsewhere
    late = F.col("lateness_seconds") > allowed_lateness_seconds
    fate = F.when(first & late, LATE).when(first, SILVER).when(valid & same_payload, DUPLICATE).otherwise(QUARANTINE)
    conflict = valid & (fate == QUARANTINE)
    return (
        ranked.withColumn("fate", fate)
        .withColumn("detail", F.when(conflict, _conflict_detail()).otherwise(F.col("detail")))
        .withColumn("reason", F.when(conflict, RejectReason.ID_CONFLICT.value).otherwise(F.col("reason")))
        .withColumn("settled_in", F.when(F.col("is_settled"), F.col("settled_in")))
        .drop("known_sha256", "known_partition", "known_offset", "is_settled", "arrival_rank", "first_sha256")
    )


def of_fate(fated: DataFrame, fate: str) -> DataFrame:
    """The rows of one fate."""
    return fated.filter(F.col("fate") == fate)


def _with_known(judged: DataFrame, known: DataFrame | None) -> DataFrame:
    if known is None:
        joined = judged.withColumns({name: F.lit(None).cast(kind) for name, kind in _KNOWN_DDL.items()})
    else:
        joined = judged.join(known, on="event_id", how="left")
    own = (F.col("known_partition") == F.col("partition")) & (F.col("known_offset") == F.col("offset"))
    return joined.withColumn("is_settled", F.coalesce(own, F.lit(False)))


def _with_first(joined: DataFrame) -> DataFrame:
    """Adds the row's rank among the arrivals of its event_id and the payload hash of the first one.

    A refused row competes with nobody: its id is not to be trusted, so it stands in a group of its own.
    """
    coordinates = F.concat_ws("/", F.col("partition").cast("string"), F.col("offset").cast("string"))
    group = F.when(F.col("reason").isNull(), F.concat(F.lit("id:"), "event_id")).otherwise(coordinates)
    # A column of its own: of an expression each window would make a column for itself, and shuffle and sort for it.
    arrivals = Window.partitionBy("arrival_group").orderBy(F.desc("is_settled"), "arrival_time", "partition", "offset")
    first_in_batch = F.first("payload_sha256").over(arrivals)
    return (
        joined.withColumn("arrival_group", group)
        .withColumn("arrival_rank", F.row_number().over(arrivals))
        .withColumn("first_sha256", F.coalesce(F.col("known_sha256"), first_in_batch))
        .drop("arrival_group")
    )


def _conflict_detail() -> Column:
    return F.concat(F.lit("event_id "), F.col("event_id"), F.lit(": another payload came first"))


def _identities(table: DataFrame, name: str, partition: str, offset: str) -> DataFrame:
    return table.select(
        "event_id",
        F.lit(name).alias("settled_in"),
        F.col("payload_sha256").alias("known_sha256"),
        F.col(partition).alias("known_partition"),
        F.col(offset).alias("known_offset"),
    )
