from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from data_lake.catalog import PRODUCT, SILVER_CLICK
from data_lake.ddl import create_statements
from data_lake.sql import queries, register
from data_lake.storage import S3Root
from shared_utils.errors import DataError
from shared_utils.settings import ObjectStoreSettings


def test_ddl_names_each_schema_once_and_each_table_by_its_folder() -> None:
    root = S3Root("s3://delta-lake/lake", ObjectStoreSettings(secret_key=SecretStr("hush")))
    statements = create_statements([SILVER_CLICK, PRODUCT], root)
    assert statements == [
        "CREATE SCHEMA IF NOT EXISTS silver",
        "CREATE TABLE IF NOT EXISTS silver.click USING DELTA LOCATION 's3://delta-lake/lake/silver/click'",
        "CREATE TABLE IF NOT EXISTS silver.product USING DELTA LOCATION 's3://delta-lake/lake/silver/product'",
    ]


def test_a_query_may_stand_on_several_lines() -> None:
    assert list(queries(["SELECT 1\n", "  AS one;\n", "SELECT 2;\n", "SELECT 3\n"])) == ["SELECT 1 AS one", "SELECT 2"]


def test_an_empty_lake_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no table"):
        register(None, tmp_path)  # type: ignore[arg-type]
