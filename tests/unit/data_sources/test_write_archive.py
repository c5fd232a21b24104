from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest

from contracts.topics_names import TRANSACTION
from contracts.validators.validate_kafka_event import Validator
from data_sources import complete_journey
from data_sources.calendar import Calendar
from data_sources.pos_logs.archive import ARCHIVE_FILE, MANIFEST_FILE
from data_sources.pos_logs.write_archive import main, write_archive

_LIMIT = 15


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, calendar: Calendar) -> Path:
    out = tmp_path_factory.mktemp("archive")
    write_archive(out, calendar, limit_customers=_LIMIT)
    return out


def _values(archive: Path) -> dict[str, list[bytes]]:
    files = sorted(archive.glob(f"day=*/{ARCHIVE_FILE}"))
    return {file.parent.name.removeprefix("day="): gzip.decompress(file.read_bytes()).splitlines() for file in files}


def test_every_value_holds_the_contract(archive: Path) -> None:
    validator = Validator(TRANSACTION)
    values = [value for day in _values(archive).values() for value in day]
    assert set(validator.reasons(values)) == {None}


def test_the_archive_adds_up_to_the_source(archive: Path, calendar: Calendar) -> None:
    history = complete_journey.lines(calendar, calendar.history_start, calendar.live_start, limit_customers=_LIMIT)
    events = [orjson.loads(value) for day in _values(archive).values() for value in day]
    assert len(events) == len({e["event_id"] for e in events}) == len(history.basket_starts())
    assert sum(e["total_cents"] for e in events) == history.sales_cents.sum()
    assert sum(len(e["lines"]) for e in events) == len(history)
    assert {e["channel"] for e in events} == {"pos"}


def test_a_file_holds_its_utc_day_and_the_manifest_its_count(archive: Path, calendar: Calendar) -> None:
    days = _values(archive)
    manifest = orjson.loads((archive / MANIFEST_FILE).read_bytes())
    for day, values in days.items():
        assert {orjson.loads(value)["event_time"][:10] for value in values} == {day}
    assert manifest["days"] == {day: len(values) for day, values in days.items()}
    assert datetime.fromisoformat(manifest["live_start"]) == calendar.live_start
    assert max(days) <= calendar.live_start.astimezone(UTC).date().isoformat()


def test_two_runs_give_equal_bytes_and_leave_no_stale_day(tmp_path: Path, archive: Path, calendar: Calendar) -> None:
    stale = tmp_path / f"day={date(1999, 1, 1)}" / ARCHIVE_FILE
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    write_archive(tmp_path, calendar, limit_customers=_LIMIT)
    files = sorted(file.relative_to(archive) for file in archive.rglob("*.*") if file.is_file())
    assert not stale.exists()
    assert [(tmp_path / f).read_bytes() for f in files] == [(archive / f).read_bytes() for f in files]


def test_the_command_prints_its_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--limit-customers", "2"]) == 0
    assert "baskets" in capsys.readouterr().out
    assert (tmp_path / MANIFEST_FILE).exists()
