from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from contracts.topics_names import TRANSACTION
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import Events
from data_sources.pos_logs.archive import transaction_id
from data_sources.pos_logs.simulate_pos import simulate_pos


def test_one_web_transaction_a_basket_with_all_its_lines(
    live_lines: Lines, payloads: Callable[[str], list[dict[str, Any]]]
) -> None:
    events = payloads(TRANSACTION)
    lines = [line | {"basket_id": e["basket_id"]} for e in events for line in e["lines"]]
    assert len(events) == len(live_lines.basket_starts())
    assert [line["product_id"] for line in lines] == live_lines.product_id.tolist()
    assert [line["basket_id"] for line in lines] == live_lines.basket_id.tolist()
    assert sum(e["total_cents"] for e in events) == live_lines.sales_cents.sum()
    assert {e["channel"] for e in events} == {"web"}


def test_arrival_follows_the_event_within_seconds(clean: dict[str, Events]) -> None:
    delay_ms = clean[TRANSACTION].arrival_ms - clean[TRANSACTION].event_ms
    assert 200 <= delay_ms.min() <= delay_ms.max() < 4000


def test_ids_do_not_depend_on_seed_or_slice(live_lines: Lines, calendar: Calendar) -> None:
    one = live_lines.take(np.flatnonzero(live_lines.basket_id == live_lines.basket_id[0]))
    events = simulate_pos(one, calendar, seed=99)
    assert events.event_ids == [transaction_id(int(live_lines.basket_id[0]))]
    assert events.keys == [str(live_lines.customer_id[0])]
