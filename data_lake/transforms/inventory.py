"""Stock changes: decoded rows to `silver.inventory`."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame

from data_lake.transforms.columns import event_fields, identity, lineage

FIELDS: Final = (
    ("product_id", "bigint"),
    ("on_hand", "bigint"),
    ("change", "bigint"),
    ("reason", "string"),
)


def transform(accepted: DataFrame) -> DataFrame:
    """Rows of `silver.inventory`. Grain: one per accepted event. Units: pieces, UTC."""
    return accepted.select(*identity(), *event_fields(FIELDS), *lineage())
