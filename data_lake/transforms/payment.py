"""Payment attempts: decoded rows to `silver.payment`."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame

from data_lake.transforms.columns import event_fields, identity, lineage

FIELDS: Final = (
    ("payment_id", "string"),
    ("basket_id", "bigint"),
    ("customer_id", "bigint"),
    ("attempt", "int"),
    ("outcome", "string"),
    ("decline_reason", "string"),
    ("amount_cents", "bigint"),
    ("currency", "string"),
    ("card_token", "string"),
    ("device_id", "string"),
    ("region", "string"),
)


def transform(accepted: DataFrame) -> DataFrame:
    """Rows of `silver.payment`. Grain: one per accepted event. Units: UTC, cents."""
    return accepted.select(*identity(), *event_fields(FIELDS), *lineage())
