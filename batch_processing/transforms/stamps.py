"""The two stamps of a feature row: when its values held, and when they could be known."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

SECONDS_PER_DAY: Final = 86_400


def date_of(day: Column) -> Column:
    """The date of an epoch day."""
    return F.date_from_unix_date(day.cast("int"))


def midnight(day: Column) -> Column:
    """The first instant (UTC) of an epoch day."""
    return F.timestamp_seconds(day.cast("bigint") * SECONDS_PER_DAY)


def close_of(day: Column) -> Column:
    """The close of an epoch day: the next UTC midnight, the `event_timestamp` of the day's feature rows."""
    return midnight(day + 1)


def created(event_timestamp: Column, last_arrival: Column) -> Column:
    """When a row could be known: at its close, or when the last line in it arrived, whichever is later.

    A late line that was folded in thus hides the row until that line arrived: a training set that is filtered by this
    stamp sees no value that serving could not have seen.
    """
    return F.greatest(event_timestamp, last_arrival)
