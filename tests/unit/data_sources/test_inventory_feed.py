from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.topics_names import INVENTORY
from data_sources import complete_journey
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.inventory.inventory_feed import assortment

Payloads = Callable[[str], list[dict[str, Any]]]
Ledger = dict[int, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ledger(payloads: Payloads) -> Ledger:
    grouped: Ledger = defaultdict(list)
    for event in sorted(payloads(INVENTORY), key=lambda e: e["event_time"]):
        grouped[event["product_id"]].append(event)
    return grouped


def test_each_product_opens_with_a_count_at_live_start(ledger: Ledger, calendar: Calendar) -> None:
    recent = complete_journey.lines(
        calendar, calendar.live_start - timedelta(weeks=13), calendar.live_start, limit_customers=60
    )
    assert sorted(ledger) == assortment(recent).tolist()
    for events in ledger.values():
        opened = datetime.fromisoformat(events[0]["event_time"])
        assert [e["reason"] for e in events].index("count") == 0
        assert sum(e["reason"] == "count" for e in events) == 1
        assert timedelta() <= opened - calendar.live_start <= timedelta(minutes=1)


def test_the_stock_adds_up_and_never_turns_negative(ledger: Ledger) -> None:
    for events in ledger.values():
        stock = events[0]["on_hand"]
        for event in events[1:]:
            stock += event["change"]
            assert event["on_hand"] == stock >= 0
            assert (event["change"] < 0) == (event["reason"] == "sale")


def test_sales_are_the_units_of_the_live_baskets(ledger: Ledger, live_lines: Lines) -> None:
    sold: dict[int, int] = defaultdict(int)
    for product, quantity in zip(live_lines.product_id.tolist(), live_lines.quantity.tolist(), strict=True):
        sold[product] += 1 if quantity > 100 else quantity
    for product, events in ledger.items():
        assert sold[product] == -sum(e["change"] for e in events if e["reason"] == "sale")


def test_some_products_run_out(ledger: Ledger) -> None:
    empty = sum(events[-1]["on_hand"] == 0 for events in ledger.values())
    assert 0 < empty < 0.25 * len(ledger)
