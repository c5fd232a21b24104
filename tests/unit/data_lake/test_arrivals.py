from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from data_lake import arrivals
from data_lake.catalog import BRONZE_CLICK, BRONZE_TRANSACTION
from shared_utils.settings import load_settings
from tests.fakes.batch_lake import Sent, write_kafka_rows

DAY = date(2026, 11, 3)


def arrive(root: Path, topic: str, day: date) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    write_kafka_rows(root, [Sent(topic, b"{}", noon, "")])


def test_a_day_has_landed_when_every_table_has_a_row_of_the_next_one(tmp_path: Path) -> None:
    wanted = (BRONZE_CLICK, BRONZE_TRANSACTION)
    arrive(tmp_path, "shop.click.v1", DAY)
    assert arrivals.last_arrivals(wanted, tmp_path) == {"bronze.click": DAY, "bronze.transaction": None}
    assert not arrivals.landed(arrivals.last_arrivals(wanted, tmp_path), DAY)

    arrive(tmp_path, "shop.transaction.v1", DAY - timedelta(days=1))
    assert not arrivals.landed(arrivals.last_arrivals(wanted, tmp_path), DAY)

    arrive(tmp_path, "shop.transaction.v1", DAY)
    assert arrivals.landed(arrivals.last_arrivals(wanted, tmp_path), DAY)
    assert not arrivals.landed(arrivals.last_arrivals(wanted, tmp_path), DAY + timedelta(days=1))


def test_the_command_answers_in_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOP_LAKE__ROOT", str(tmp_path))
    load_settings.cache_clear()
    try:
        assert arrivals.main(["--until", str(DAY), "--table", "bronze.click"]) == 0
    finally:
        load_settings.cache_clear()

    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer == {"landed": False, "last_arrivals": {"bronze.click": None}}


def test_only_bronze_can_be_waited_for() -> None:
    with pytest.raises(SystemExit):
        arrivals.main(["--until", str(DAY), "--table", "gold.customer_features"])
