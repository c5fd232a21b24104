"""Instants as integer microseconds: exact in a blob, in Lua's doubles, and in comparisons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared_utils.time_utils import EPOCH

US_PER_DAY = 86_400_000_000
_US = timedelta(microseconds=1)


def us_of(instant: datetime) -> int:
    """Microseconds since 1970 UTC; a naive instant is taken as UTC (Feast hands out both)."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (aware - EPOCH) // _US


def instant_of(us: int) -> datetime:
    """The UTC instant of a microsecond count."""
    return EPOCH + timedelta(microseconds=us)


def day_of(us: int) -> int:
    """The epoch day that holds a microsecond count."""
    return us // US_PER_DAY
