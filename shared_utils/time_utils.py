"""UTC instants and an injected clock: no rule reads the wall clock by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

Clock = Callable[[], datetime]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def system_clock() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def fixed_clock(instant: datetime) -> Clock:
    """A clock that always answers `instant` (tests, replays and the demo's simulated now)."""
    return lambda: instant


def epoch_day(instant: datetime | date) -> int:
    """Days since 1970-01-01, UTC. The platform's integer day."""
    day = instant.astimezone(UTC).date() if isinstance(instant, datetime) else instant
    return (day - EPOCH.date()).days


def day_start(epoch_day_number: int) -> datetime:
    """The first instant (UTC) of an epoch day."""
    return EPOCH + timedelta(days=epoch_day_number)


def to_rfc3339(instant: datetime) -> str:
    """`2026-11-09T05:00:00.000Z`: the one text form of an instant in events, in milliseconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def ms_of(text: str) -> int:
    """Epoch milliseconds of an event's instant (the form of `to_rfc3339`, exact)."""
    return (datetime.fromisoformat(text) - EPOCH) // _MILLISECOND
