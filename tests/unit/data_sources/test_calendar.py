from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.calendar import SOURCE_END, SOURCE_START, Calendar
from shared_utils.errors import ConfigurationError
from shared_utils.settings import CalendarSettings
from shared_utils.time_utils import fixed_clock

instants = st.datetimes(datetime(2018, 1, 2), datetime(2080, 1, 1), timezones=st.just(UTC))


@given(now=instants, live_weeks=st.integers(1, 12))
def test_the_year_moves_by_whole_weeks_and_ends_on_the_last_monday_that_has_passed(
    now: datetime, live_weeks: int
) -> None:
    calendar = Calendar.from_settings(CalendarSettings(live_weeks=live_weeks), fixed_clock(now))

    assert calendar.shift % timedelta(weeks=1) == timedelta(0)
    assert calendar.live_end <= now < calendar.live_end + timedelta(weeks=1)
    assert (calendar.live_end.weekday(), calendar.live_end.hour) == (0, 5)
    assert calendar.live_end - calendar.live_start == timedelta(weeks=live_weeks)
    assert calendar.live_end - calendar.history_start == SOURCE_END - SOURCE_START


def test_a_pinned_live_end_needs_no_clock(calendar: Calendar) -> None:
    assert calendar.live_end == datetime(2026, 11, 9, 5, tzinfo=UTC)
    assert calendar.live_start == datetime(2026, 10, 26, 5, tzinfo=UTC)
    assert calendar.shift == timedelta(weeks=462)


def test_monday_before_five_belongs_to_the_week_before() -> None:
    calendar = Calendar.from_settings(CalendarSettings(), fixed_clock(datetime(2026, 11, 9, 4, 59, tzinfo=UTC)))
    assert calendar.live_end == datetime(2026, 11, 2, 5, tzinfo=UTC)


def test_a_live_end_that_is_no_monday_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not a Monday"):
        Calendar.from_settings(CalendarSettings(live_end=date(2026, 11, 10)))


def test_source_weeks_start_on_shifted_mondays(calendar: Calendar) -> None:
    starts = [calendar.week_start(week) for week in range(1, 54)]
    assert {day.weekday() for day in starts} == {0}
    assert starts[-1] == date(2026, 11, 2)
    assert calendar.to_source(calendar.live_end) == SOURCE_END
