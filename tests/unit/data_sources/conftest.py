"""A slice of the Complete Journey data, built once: 60 customers, two live weeks that end on 2026-11-09."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import orjson
import pytest

from data_sources import complete_journey
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import Events
from data_sources.replay import build_clean, build_live
from shared_utils.settings import CalendarSettings

LIMIT = 60
SEED = 7

Payloads = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def calendar() -> Calendar:
    return Calendar.from_settings(CalendarSettings(live_end=date(2026, 11, 9)))


@pytest.fixture(scope="session")
def live_lines(calendar: Calendar) -> Lines:
    return complete_journey.lines(calendar, calendar.live_start, calendar.live_end, limit_customers=LIMIT)


@pytest.fixture(scope="session")
def clean(calendar: Calendar) -> dict[str, Events]:
    """The clean events of each topic."""
    return {events.topics[0]: events for events in build_clean(calendar, SEED, limit_customers=LIMIT)}


@pytest.fixture(scope="session")
def stream(calendar: Calendar) -> Events:
    """The live stream with faults, in the order of arrival."""
    return build_live(calendar, SEED, limit_customers=LIMIT)


@pytest.fixture(scope="session")
def payloads(clean: dict[str, Events]) -> Payloads:
    """The clean payloads of a topic, in the order in which they were made."""
    return lambda topic: [orjson.loads(value) for value in clean[topic].values if value is not None]
