"""The ledger balances a small lake, and every planted fault turns it red by name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from data_lake import catalog
from production_ops.proofs.ledger import Produced, balance

CLICK, TRANSACTION = "shop.click.v1", "shop.transaction.v1"
FATES = ["silver", "silver", "quarantine:PARSE", "late", "duplicate", "silver"]
TOPICS = [CLICK] * 5 + [TRANSACTION]


def produced() -> list[Produced]:
    return [Produced(topic, 0, number if topic == CLICK else 0, number) for number, topic in enumerate(TOPICS)]


def fates() -> pa.Table:
    return pa.table({"spool_id": range(6), "topic": TOPICS, "event_id": [f"e{n}" for n in range(6)], "fate": FATES})


def put(lake: Path, table: catalog.Table, rows: dict[str, list[object]], mode: str = "append") -> None:
    write_deltalake(table.path(lake), pa.table(rows), mode=mode)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    put(tmp_path, catalog.SILVER_CLICK, {"kafka_partition": [0, 0], "kafka_offset": [0, 1]})
    put(
        tmp_path,
        catalog.TRANSACTION_LINE,
        {"kafka_partition": [0, 0, -1], "kafka_offset": [0, 0, 7], "line_number": [1, 2, 1]},
    )
    for table in (catalog.SILVER_PAYMENT, catalog.SILVER_INVENTORY):
        write_deltalake(
            table.path(tmp_path),
            pa.table({"kafka_partition": pa.array([], "int32"), "kafka_offset": pa.array([], "int64")}),
        )
    put(tmp_path, catalog.QUARANTINE, {"topic": [CLICK], "partition": [0], "offset": [2], "reason": ["PARSE"]})
    put(tmp_path, catalog.LATE_EVENT, {"topic": [CLICK], "partition": [0], "offset": [3]})
    put(tmp_path, catalog.DUPLICATE_EVENT, {"topic": [CLICK], "partition": [0], "offset": [4]})
    return tmp_path


def test_every_record_is_accounted_for(lake: Path) -> None:
    result = balance(lake, produced(), fates())
    assert result.passed, result.findings
    assert result.numbers == {
        "produced": 6, "difference": 0, "silver": 3, "quarantine": 1, "late": 1, "duplicate": 1,
    }  # fmt: skip


def test_a_record_lost_before_kafka_is_named(lake: Path) -> None:
    result = balance(lake, produced()[1:], fates())
    assert not result.passed
    assert any("lost before Kafka" in finding and "event_id=e0" in finding for finding in result.findings)


def test_a_lost_silver_row_is_named(lake: Path) -> None:
    put(lake, catalog.SILVER_CLICK, {"kafka_partition": [0], "kafka_offset": [0]}, mode="overwrite")
    result = balance(lake, produced(), fates())
    assert not result.passed
    assert any("lost after Kafka" in finding and "event_id=e1" in finding for finding in result.findings)


def test_a_batch_written_twice_is_named(lake: Path) -> None:
    put(lake, catalog.SILVER_CLICK, {"kafka_partition": [0, 0], "kafka_offset": [0, 1]})
    result = balance(lake, produced(), fates())
    assert not result.passed
    assert result.numbers["difference"] == 2
    assert all("counted twice" in finding for finding in result.findings)


def test_a_basket_written_twice_is_named(lake: Path) -> None:
    put(lake, catalog.TRANSACTION_LINE, {"kafka_partition": [0, 0], "kafka_offset": [0, 0], "line_number": [1, 2]})
    assert not balance(lake, produced(), fates()).passed


def test_a_refusal_with_another_reason_is_misrouted(lake: Path) -> None:
    put(
        lake,
        catalog.QUARANTINE,
        {"topic": [CLICK], "partition": [0], "offset": [2], "reason": ["SCHEMA"]},
        mode="overwrite",
    )
    result = balance(lake, produced(), fates())
    assert any("misrouted" in finding for finding in result.findings)


def test_a_row_that_nobody_produced_is_named(lake: Path) -> None:
    put(lake, catalog.LATE_EVENT, {"topic": [CLICK], "partition": [1], "offset": [99]})
    result = balance(lake, produced(), fates())
    assert any("without a producer" in finding for finding in result.findings)


def test_a_record_sent_twice_is_named(lake: Path) -> None:
    result = balance(lake, [*produced(), Produced(CLICK, 0, 50, 0)], fates())
    assert any("produced twice" in finding for finding in result.findings)


def test_a_repaired_late_row_ends_once(lake: Path) -> None:
    put(lake, catalog.SILVER_CLICK, {"kafka_partition": [0], "kafka_offset": [3]})
    result = balance(lake, produced(), fates())
    assert result.passed, result.findings
    assert result.numbers["late"] == 1
