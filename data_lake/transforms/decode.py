"""From bytes to typed rows, or to a refusal with its reason. Both roads into silver judge an event here and only here.

The verdict is the contracts' own Validator inside an Arrow UDF, so the accepted set is the schema-valid set by
construction; `from_json` then only types what is already known to be valid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf

from contracts.generated.spark_schemas import SPARK_DDL
from contracts.reasons import MAX_CLOCK_LEAD_SECONDS
from contracts.validators.validate_kafka_event import RejectReason, Validator

# `text` is the accepted value. Casting `value` instead would not do: where it is not UTF-8, Sail stops on the cast.
VERDICT_DDL: Final = "reason string, detail string, text string, sha256 string"


@dataclass(frozen=True)
class Split:
    """`accepted` and `rejected`: every input row is in exactly one of them."""

    accepted: DataFrame
    rejected: DataFrame


def decode(raw: DataFrame, topic: str) -> Split:
    """Type a topic's bronze rows and part the valid from the refused.

    Grain: one row per bronze row on exactly one side. `rejected` carries `reason` and `detail`.
    """
    judged = judge(raw, topic)
    return Split(judged.filter(F.col("reason").isNull()), judged.filter(F.col("reason").isNotNull()))


def judge(raw: DataFrame, topic: str) -> DataFrame:
    """Bronze rows of one topic with their verdict and their typed event.

    Grain: one row per bronze row. Added: `reason` and `detail` (null when valid), `event` (struct, typed by the
    contract), `event_id`, `event_time`, `event_date` (UTC), `lateness_seconds`, `payload_sha256` (of an accepted
    value, as received). A caller that uses the result twice should cache it: the verdict costs a Python pass.
    """
    verdict = raw.withColumn("verdict", _verdict_udf(topic)(F.col("value")))
    typed = (
        verdict.withColumn("event", F.from_json(F.col("verdict.text"), _textual_ddl(topic)))
        .withColumn("event_id", F.col("event.event_id"))
        .withColumn("event_time", F.col("event.event_time").cast("timestamp"))
        .withColumn("lateness_seconds", _lateness_seconds())
    )
    reason, detail = _refusal(F.col("verdict"), F.col("lateness_seconds"))
    return (
        # The casts: over Connect, Spark types a UDF's text as `string collate UTF8_BINARY`, which Delta readers refuse.
        typed.withColumn("reason", reason.cast("string"))
        .withColumn("detail", detail.cast("string"))
        .withColumn("event_date", F.to_date("event_time"))
        .withColumn("payload_sha256", F.col("verdict.sha256").cast("string"))
        .drop("verdict")
    )


def _textual_ddl(topic: str) -> str:
    """The contract's DDL with instants as text: Sail's `from_json` reads no RFC 3339, its cast does."""
    return SPARK_DDL[topic].replace("TIMESTAMP", "STRING")


def _lateness_seconds() -> Column:
    milliseconds = F.unix_millis(F.col("arrival_time")) - F.unix_millis(F.col("event_time"))
    return milliseconds / F.lit(1000.0)


def _refusal(verdict: Column, lateness_seconds: Column) -> tuple[Column, Column]:
    """Reason and detail: the contract's verdict first, then the clock rule. Null on a valid event."""
    from_future = lateness_seconds < -MAX_CLOCK_LEAD_SECONDS
    lead = F.format_string("event_time is %.0f s ahead of arrival", -lateness_seconds)
    reason = F.coalesce(verdict["reason"], F.when(from_future, F.lit(RejectReason.FUTURE.value)))
    detail = F.when(verdict["reason"].isNotNull(), verdict["detail"]).otherwise(F.when(from_future, lead))
    return reason, detail


@lru_cache(maxsize=16)
def _validator(topic: str) -> Validator:
    return Validator(topic)


def _sha256(value: bytes) -> str:
    # Not `F.sha2`: the bytes are in Python's hands already, and a short-lived JVM is slow at it.
    return hashlib.sha256(value).hexdigest()


def _verdict_udf(topic: str) -> Callable[[Column], Column]:
    def verdict(values: pd.Series) -> pd.DataFrame:
        # The validator is built once in each Python worker, not shipped with the plan.
        refusals = _validator(topic).reasons(values)
        rows = [
            (refusal.reason.value, refusal.detail, None, None)
            if refusal
            else (None, None, value.decode(), _sha256(value))
            for value, refusal in zip(values, refusals, strict=True)
        ]
        return pd.DataFrame(rows, columns=["reason", "detail", "text", "sha256"], dtype=object)

    return pandas_udf(verdict, VERDICT_DDL)  # type: ignore[call-overload,no-any-return]
