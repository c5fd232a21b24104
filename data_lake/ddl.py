"""The catalogue as DDL: schemas and external Delta tables, the same text for Sail, Spark and a Hive Metastore."""

from __future__ import annotations

from collections.abc import Iterable

from data_lake.catalog import Table
from data_lake.storage import LakeRoot


def create_statements(tables: Iterable[Table], lake_root: LakeRoot) -> list[str]:
    """One statement a schema, then one a table. A table that is dropped leaves its rows: they are the lake's."""
    chosen = list(tables)
    schemas = dict.fromkeys(table.layer for table in chosen)
    return [
        *(f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in schemas),
        *(
            f"CREATE TABLE IF NOT EXISTS {table.full_name} USING DELTA LOCATION '{table.path(lake_root)}'"
            for table in chosen
        ),
    ]
