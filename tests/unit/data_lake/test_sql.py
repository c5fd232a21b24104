from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from pydantic import SecretStr
from pyspark.errors import PySparkException

from data_lake import ddl, tables
from data_lake.catalog import PRODUCT, PROMOTION, SILVER_CLICK, TABLES
from data_lake.ddl import create_statements
from data_lake.sql import queries, register
from data_lake.storage import S3Root
from production_ops.compose_stack import first_start
from shared_utils.errors import DataError, DependencyError
from shared_utils.settings import REPO_ROOT, ObjectStoreSettings


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


def test_the_script_of_the_metastore_is_the_catalogue_on_the_stacks_lake() -> None:
    compose = first_start.read(REPO_ROOT / "config" / "compose.env")

    assert compose["SHOP_LAKE__ROOT"] == ddl.STACK_LAKE
    assert ddl.main(["--check"]) == 0
    assert ddl.script().count("CREATE TABLE") == len(TABLES)


def test_a_script_that_is_not_the_catalogues_is_seen_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "schema" / "ddl.sql"
    monkeypatch.setattr(ddl, "DDL_PATH", path)
    assert ddl.main(["--check"]) == 1
    assert not path.exists()

    assert ddl.main([]) == 0
    assert ddl.main(["--check"]) == 0
    path.write_text(path.read_text().replace("gold.customer_profile", "gold.customer"))
    assert ddl.main(["--check"]) == 1


def catalogue_of(*names: str) -> Mock:
    """A session whose catalogue has these names."""
    session = Mock()
    session.catalog.tableExists.side_effect = names.__contains__
    return session


def test_a_catalogue_that_does_not_answer_is_said_without_its_stack(tmp_path: Path) -> None:
    tables.create(PRODUCT, tmp_path, "product_id bigint")
    session = catalogue_of()
    session.sql.side_effect = PySparkException("Could not connect to meta store\n\nJVM stacktrace:\nat java.base")

    with pytest.raises(DependencyError, match=r"does not answer \(Could not connect to meta store\)\.") as caught:
        register(session, tmp_path)
    assert "hive-metastore" in caught.value.remedy


def test_tables_that_exist_and_have_no_name_get_one(tmp_path: Path) -> None:
    for table in (PRODUCT, PROMOTION):
        tables.create(table, tmp_path, "product_id bigint, week_start date")
    session = catalogue_of(PROMOTION.full_name)

    register(session, tmp_path)

    said = [call.args[0] for call in session.sql.call_args_list]
    assert said == create_statements([PRODUCT], tmp_path)


def test_an_empty_lake_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no table"):
        register(None, tmp_path)  # type: ignore[arg-type]
