"""The click archive: whole visits of the weeks before the live ones, by day, with ids of their own."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from contracts.topics_names import CLICK
from contracts.validators.validate_kafka_event import Validator
from data_sources.calendar import Calendar
from data_sources.events import Events
from data_sources.user_activity.archive import CLICK_ARCHIVE_FILE, PAST_WEEKS
from data_sources.user_activity.write_archive import past_clicks, write_archive
from tests.unit.data_sources.conftest import LIMIT, SEED


@pytest.fixture(scope="module")
def past(calendar: Calendar) -> Events:
    return past_clicks(calendar, limit_customers=LIMIT, seed=SEED)


def test_the_clicks_are_good_and_of_the_weeks_before_the_live_ones(past: Events, calendar: Calendar) -> None:
    first_ms, last_ms = (
        int(at.timestamp()) * 1_000 for at in (calendar.live_start - timedelta(weeks=PAST_WEEKS), calendar.live_start)
    )
    assert set(Validator(CLICK).reasons([value or b"" for value in past.values])) == {None}
    # A visit begins before its basket, the first one before the weeks do.
    assert first_ms - 3_600_000 <= past.event_ms[0] < first_ms + 86_400_000
    assert last_ms - 86_400_000 < past.event_ms[-1] <= last_ms + 3_600_000


def test_no_id_is_one_of_the_live_weeks(past: Events, clean: dict[str, Events]) -> None:
    assert len(set(past.event_ids)) == len(past)
    assert set(past.event_ids).isdisjoint(clean[CLICK].event_ids)
    sessions, live = (
        {orjson.loads(value or b"")["session_id"] for value in events.values} for events in (past, clean[CLICK])
    )
    assert sessions.isdisjoint(live)


def test_a_file_holds_its_utc_day_and_no_stale_one_stays(past: Events, tmp_path: Path) -> None:
    stale = tmp_path / "day=1999-01-01" / CLICK_ARCHIVE_FILE
    stale.parent.mkdir()
    stale.write_bytes(b"old")

    days = write_archive(tmp_path, past)

    files = sorted(tmp_path.glob(f"day=*/{CLICK_ARCHIVE_FILE}"))
    assert len(files) == days
    written = []
    for file in files:
        values = gzip.decompress(file.read_bytes()).splitlines()
        assert {f"day={orjson.loads(value)['event_time'][:10]}" for value in values} == {file.parent.name}
        written += values
    assert written == past.values
