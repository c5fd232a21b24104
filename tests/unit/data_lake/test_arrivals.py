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
MIDNIGHT = datetime(2026, 11, 3, tzinfo=UTC)
LATENESS = 7_200
WANTED = (BRONZE_CLICK, BRONZE_TRANSACTION)


def arrive(root: Path, topic: str, at: datetime) -> None:
    write_kafka_rows(root, [Sent(topic, b"{}", at, "")])


def test_the_last_row_of_the_last_day_is_the_last_arrival(tmp_path: Path) -> None:
    for hours in (-1, 9, 5):
        arrive(tmp_path, "shop.click.v1", MIDNIGHT + timedelta(hours=hours))

    assert arrivals.last_arrivals(WANTED, tmp_path) == {
        "bronze.click": MIDNIGHT + timedelta(hours=9), "bronze.transaction": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds_after_midnight", "is_complete"), [(-1, False), (0, False), (LATENESS - 1, False), (LATENESS, True)]
)
def test_a_day_is_complete_when_nothing_of_it_may_come_any_more(
    tmp_path: Path, seconds_after_midnight: int, is_complete: bool
) -> None:
    complete = arrivals.complete_at(DAY, LATENESS)
    arrive(tmp_path, "shop.click.v1", MIDNIGHT + timedelta(days=1))
    assert not arrivals.landed(arrivals.last_arrivals(WANTED, tmp_path), complete)  # the other table has nothing

    arrive(tmp_path, "shop.transaction.v1", MIDNIGHT + timedelta(seconds=seconds_after_midnight))

    assert arrivals.landed(arrivals.last_arrivals(WANTED, tmp_path), complete) is is_complete


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
    assert answer == {
        "landed": False, "complete_at": "2026-11-03T02:00:00+00:00", "last_arrivals": {"bronze.click": None},
    }  # fmt: skip


def test_only_bronze_can_be_waited_for() -> None:
    with pytest.raises(SystemExit):
        arrivals.main(["--until", str(DAY), "--table", "gold.customer_features"])
