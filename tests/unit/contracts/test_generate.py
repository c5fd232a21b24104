"""The generated files are what the schemas give, byte by byte, and drift is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import generate
from contracts.generated.flink_ddl import FLINK_DDL, FLINK_SINK_DDL
from contracts.generated.models import MODELS
from contracts.generated.spark_schemas import SPARK_COLUMNS, SPARK_DDL, SPARK_ELEMENT_DDL
from contracts.generation.fields import read_field
from contracts.registry import load_schema, load_topics
from contracts.topics_names import (
    CLICK,
    CUSTOMER_FEATURE,
    FEATURE_TOPICS,
    TRANSACTION,
    TYPED_TOPICS,
    is_dlq,
    late_name,
)
from contracts.validators.semantic_rules import SEMANTIC_RULES
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
        bootstrap_servers="broker:9092",
        group_id="g",
        startup_mode="earliest-offset",
        schemas="/contracts",
        watermark_column="arrival_time",
        watermark_delay_seconds=5,
    )
    assert "'topic' = 'shop.click.v1'" in text
    assert "AS `arrival_time` - 5 * INTERVAL '1' SECOND" in text
    assert "{" not in text
    assert "`product_id` BIGINT,\n" in text
    assert "'contract-json.schema' = '/contracts/click_event.v1.schema.json'" in text


def test_what_the_streams_produce_has_a_flink_sink() -> None:
    produced = {t.name for t in load_topics().values() if any(p.startswith("stream_processing.") for p in t.producers)}
    assert set(FLINK_SINK_DDL) == {name for name in produced if not is_dlq(name)} >= set(FEATURE_TOPICS)
    text = FLINK_SINK_DDL[CUSTOMER_FEATURE].format(bootstrap_servers="broker:9092")
    assert "`bucket_start` STRING NOT NULL,\n" in text
    assert "`event_time` STRING,\n    `action` STRING>> NOT NULL,\n  `record_key` STRING NOT NULL,\n" in text
    assert "`event_id` STRING NOT NULL" in FLINK_SINK_DDL[late_name(CLICK)]


@pytest.mark.parametrize("topic", TYPED_TOPICS)
def test_a_flink_table_names_its_contract(topic: str) -> None:
    text, rule = FLINK_DDL[topic], SEMANTIC_RULES.get(topic)
    assert f"'contract-json.schema' = '{{schemas}}/{load_topics()[topic].schema}.schema.json'" in text
    assert ("contract-json.rule" in text) == (rule is not None)
    assert rule is None or f"'contract-json.rule' = '{rule.__name__}'" in text


@pytest.mark.parametrize("declared", [None, ["string", "integer"], "null"])
def test_a_type_no_writer_knows_is_an_error(declared: object) -> None:
    with pytest.raises(ContractError):
        read_field("query", {"type": declared}, required=True)
