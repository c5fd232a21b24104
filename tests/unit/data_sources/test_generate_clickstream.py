from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from contracts.topics_names import CLICK, TRANSACTION
from data_sources import complete_journey
from data_sources.calendar import Calendar

Payloads = Callable[[str], list[dict[str, Any]]]
Session = list[dict[str, Any]]


@pytest.fixture(scope="module")
def sessions(payloads: Payloads) -> dict[str, Session]:
    grouped: dict[str, Session] = defaultdict(list)
    for event in payloads(CLICK):
        grouped[event["session_id"]].append(event)
    return grouped


@pytest.fixture(scope="module")
def basket_sessions(sessions: dict[str, Session]) -> dict[int, Session]:
    return {session[-1]["basket_id"]: session for session in sessions.values() if session[-1]["action"] == "checkout"}


def _of(session: Session, action: str) -> Counter[int]:
    return Counter(event["product_id"] for event in session if event["action"] == action)


def test_a_basket_session_adds_exactly_the_basket(payloads: Payloads, basket_sessions: dict[int, Session]) -> None:
    baskets = {e["basket_id"]: Counter(line["product_id"] for line in e["lines"]) for e in payloads(TRANSACTION)}
    kept = {basket: _of(session, "add") - _of(session, "remove") for basket, session in basket_sessions.items()}
    assert kept == baskets
    assert any(_of(session, "remove") for session in basket_sessions.values())


def test_a_session_is_one_customer_in_order_on_one_device(sessions: dict[str, Session], calendar: Calendar) -> None:
    for session in sessions.values():
        times = [datetime.fromisoformat(event["event_time"]) for event in session]
        assert times == sorted(times)
        assert calendar.live_start <= times[0]
        assert times[-1] < calendar.live_end
        assert times[-1] - times[0] <= timedelta(minutes=45)
        assert max((b - a for a, b in pairwise(times)), default=timedelta()) <= timedelta(minutes=1)
        assert len({(event["customer_id"], event["device_type"]) for event in session}) == 1


def test_nothing_is_removed_that_was_not_added(sessions: dict[str, Session]) -> None:
    for session in sessions.values():
        assert _of(session, "remove") <= _of(session, "add")


def test_a_list_shows_different_products_at_rising_positions(sessions: dict[str, Session]) -> None:
    lists = 0
    for session in sessions.values():
        for first, second in pairwise(session):
            if first["action"] == second["action"] == "impression" and second["position"] == first["position"] + 1:
                lists += 1
                assert first["product_id"] != second["product_id"]
    assert lists > 100


def test_a_search_is_followed_by_its_list(sessions: dict[str, Session]) -> None:
    followers = Counter(
        after["action"]
        for session in sessions.values()
        for event, after in pairwise(session)
        if event["action"] == "search"
    )
    assert set(followers) == {"impression"}


def test_browsing_follows_the_customers_own_history(
    sessions: dict[str, Session], basket_sessions: dict[int, Session], calendar: Calendar
) -> None:
    since = calendar.live_start - timedelta(weeks=13)
    history = complete_journey.lines(calendar, since, calendar.live_start, limit_customers=60)
    bought = set(zip(history.customer_id.tolist(), history.product_id.tolist(), strict=True))
    around = {session[0]["session_id"] for session in basket_sessions.values()}
    looks = [e for key, s in sessions.items() if key not in around for e in s if e["action"] == "view"]
    known = sum((event["customer_id"], event["product_id"]) in bought for event in looks)
    assert len(sessions) > len(around) > 0
    assert known / len(looks) > 0.6
    assert known < len(looks)
