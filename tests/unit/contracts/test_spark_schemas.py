"""Both engines read the good examples through the generated DDL without losing a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from contracts.generated.spark_schemas import FROM_JSON_OPTIONS, SPARK_COLUMNS, SPARK_DDL
from contracts.topics_names import TYPED_TOPICS
from shared_utils.time_utils import to_rfc3339
from tests.unit.contracts.examples import completed, good_examples

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sail() -> Iterator[Any]:
    """A session on an embedded Sail server."""
    server_module = pytest.importorskip("pysail.spark")
    from pyspark.sql import SparkSession

    server = server_module.SparkConnectServer("127.0.0.1", 0)
    server.start()
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()
    server.stop()


@pytest.mark.parametrize("topic", TYPED_TOPICS)
def test_sail_reads_every_value(sail: Any, topic: str) -> None:
    from pyspark.sql.functions import col, from_json

    values = [value for name, _, value in good_examples() if name == topic]
    frame = sail.createDataFrame([(value.decode(),) for value in values], "value string")
    event = from_json(col("value"), SPARK_DDL[topic], FROM_JSON_OPTIONS)
    rows = frame.select(event.alias("event")).select("event.*").toArrow().to_pylist()
    read = [{name: _as_json(row[name]) for name in SPARK_COLUMNS[topic]} for row in rows]
    assert sorted(read, key=str) == sorted((completed(topic, orjson.loads(value)) for value in values), key=str)


def _as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    return to_rfc3339(value) if hasattr(value, "isoformat") else value
