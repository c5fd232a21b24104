"""Where the source year lies in the platform's time: everything is moved by one number of whole weeks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from shared_utils.errors import ConfigurationError
from shared_utils.settings import CalendarSettings
from shared_utils.time_utils import Clock, system_clock

WEEK = timedelta(weeks=1)
# The shop's day turns at 05:00 UTC (midnight at its place), so its weeks turn on Mondays at 05:00 UTC.
SHOP_DAY_OFFSET = timedelta(hours=5)
SOURCE_START = datetime(2017, 1, 1, 5, tzinfo=UTC)
SOURCE_END = datetime(2018, 1, 1, 5, tzinfo=UTC)
_SOURCE_WEEK_ONE = date(2016, 12, 26)
_MONDAY = 0


@dataclass(frozen=True)
class Calendar:
    """The shifted year: history is [history_start, live_start), the live replay is [live_start, live_end).

    Units: aware UTC instants. `shift` is a whole number of weeks, so weekdays and shop weeks are those of the source.
    """

    shift: timedelta
    history_start: datetime
    live_start: datetime
    live_end: datetime

    @classmethod
    def from_settings(cls, settings: CalendarSettings, clock: Clock = system_clock) -> Calendar:
        """The calendar whose year ends on `settings.live_end`, or on the last Monday 05:00 UTC that has passed.

        Raises:
            ConfigurationError: `live_end` is not a Monday.
        """
        last_day = settings.live_end or _monday_of(clock().astimezone(UTC) - SHOP_DAY_OFFSET)
        if last_day.weekday() != _MONDAY:
            raise ConfigurationError(
                f"calendar.live_end {last_day} is not a Monday.", "Set SHOP_CALENDAR__LIVE_END to a Monday."
            )
        live_end = datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC) + SHOP_DAY_OFFSET
        shift = live_end - SOURCE_END
        return cls(shift, SOURCE_START + shift, live_end - settings.live_weeks * WEEK, live_end)

    def to_source(self, instant: datetime) -> datetime:
        """The instant of the source year that stands behind `instant`."""
        return instant - self.shift

    def week_start(self, source_week: int) -> date:
        """The Monday on which a source week (1..53, as the promotions count them) starts in the shifted year."""
        return _SOURCE_WEEK_ONE + (source_week - 1) * WEEK + self.shift


def _monday_of(instant: datetime) -> date:
    return instant.date() - timedelta(days=instant.weekday())
