"""Clicks: decoded rows to `silver.click`."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame

from data_lake.transforms.columns import event_fields, identity, lineage

FIELDS: Final = (
    ("session_id", "string"),
    ("customer_id", "bigint"),
    ("action", "string"),
    ("product_id", "bigint"),
    ("position", "int"),
    ("query", "string"),
    ("basket_id", "bigint"),
    ("page", "string"),
    ("device_type", "string"),
)


def transform(accepted: DataFrame) -> DataFrame:
    """Rows of `silver.click`. Grain: one per accepted event. Units: UTC."""
    return accepted.select(*identity(), *event_fields(FIELDS), *lineage())
