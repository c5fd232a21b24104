"""Served recommendation decisions: decoded rows to `silver.recommendation_decision`."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame

from data_lake.transforms.columns import event_fields, identity, lineage

ITEM_DDL: Final = "struct<product_id:bigint,rank:int,score:double,source:string,features:array<double>>"
FIELDS: Final = (
    ("request_id", "string"),
    ("customer_id", "bigint"),
    ("model_name", "string"),
    ("model_version", "string"),
    ("feature_set", "string"),
    ("features_as_of", "timestamp"),
    ("feature_age_seconds", "double"),
    ("live_as_of", "timestamp"),
    ("live_event_id", "string"),
    ("degraded", "boolean"),
    ("degraded_reasons", "array<string>"),
    ("latency_ms", "double"),
    ("feature_names", "array<string>"),
    ("items", f"array<{ITEM_DDL}>"),
)


def transform(accepted: DataFrame) -> DataFrame:
    """Rows of `silver.recommendation_decision`. Grain: one per accepted event. Units: UTC, ms, seconds."""
    return accepted.select(*identity(), *event_fields(FIELDS), *lineage())
