"""The generated files are what the schemas give, byte by byte, and drift is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import generate
from contracts.generated.flink_ddl import FLINK_DDL
from contracts.generated.models import MODELS
from contracts.generated.spark_schemas import SPARK_COLUMNS, SPARK_DDL, SPARK_ELEMENT_DDL
from contracts.generation.fields import read_field
from contracts.registry import load_schema, load_topics
from contracts.topics_names import CLICK, TRANSACTION, TYPED_TOPICS
from shared_utils.errors import ContractError


def test_the_committed_files_are_current() -> None:
    assert generate.drifted() == []
    assert generate.main(["--check"]) == 0


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    assert generate.main(["--out", str(tmp_path)]) == 0
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert generate.write(tmp_path) == []
    assert first == {name: text.encode() for name, text in generate.generated_files().items()}


@pytest.mark.parametrize("name", ["models.py", "spark_schemas.py", "flink_ddl.py"])
def test_an_edited_or_missing_file_fails_the_check(tmp_path: Path, name: str) -> None:
    generate.write(tmp_path)
    (tmp_path / name).write_text((tmp_path / name).read_text().replace("BIGINT", "INT").replace("int, ", "float, "))
    assert generate.drifted(tmp_path) == [name]
    (tmp_path / name).unlink()
    assert generate.main(["--check", "--out", str(tmp_path)]) == 1


def test_every_event_has_every_type() -> None:
    for mapping in (MODELS, SPARK_DDL, SPARK_COLUMNS, FLINK_DDL):
        assert set(mapping) == set(TYPED_TOPICS)


@pytest.mark.parametrize("topic", TYPED_TOPICS)
def test_the_columns_are_the_schemas_fields_in_order(topic: str) -> None:
    names = list(load_schema(str(load_topics()[topic].schema))["properties"])
    assert list(SPARK_COLUMNS[topic]) == names
    assert list(MODELS[topic].model_fields) == names


def test_spark_types() -> None:
    assert "event_time TIMESTAMP, session_id STRING, customer_id BIGINT" in SPARK_DDL[CLICK]
    assert SPARK_DDL[TRANSACTION].endswith(f"lines ARRAY<STRUCT<{_as_struct(f'{TRANSACTION}#lines')}>>")


def _as_struct(element: str) -> str:
    return SPARK_ELEMENT_DDL[element].replace(" BIGINT", ": BIGINT")


def test_a_flink_table_is_filled_by_format() -> None:
    text = FLINK_DDL[CLICK].format(
        bootstrap_servers="broker:9092", group_id="g", startup_mode="earliest-offset", watermark_delay_seconds=5
    )
    assert "'topic' = 'shop.click.v1'" in text
    assert "INTERVAL '5' SECOND" in text
    assert "{" not in text
    assert "`product_id` BIGINT,\n" in text
    assert "`customer_id` BIGINT NOT NULL,\n" in text


@pytest.mark.parametrize("declared", [None, ["string", "integer"], "null"])
def test_a_type_no_writer_knows_is_an_error(declared: object) -> None:
    with pytest.raises(ContractError):
        read_field("query", {"type": declared}, required=True)
