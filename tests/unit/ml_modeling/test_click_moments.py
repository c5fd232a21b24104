"""Moments of past visits, from small silver tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from data_lake.catalog import SILVER_CLICK, TRANSACTION_LINE
from feature_store.core.live_windows import ADD
from ml_modeling.click_moments import Moment, read_moments

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Click = dict[str, Any]


def click(
    visit: str, minute: float, product: int, action: str = "view", *, customer: int = 1, late: float = 0.0
) -> Click:
    at = NOON + timedelta(minutes=minute)
    return {
        "event_id": f"{visit}{minute}", "event_time": at, "arrival_time": at + timedelta(minutes=late),
        "event_date": at.date(), "session_id": visit, "customer_id": customer, "action": action, "product_id": product,
    }  # fmt: skip


def line(minute: float, basket: int, product: int, *, customer: int = 1) -> dict[str, Any]:
    at = NOON + timedelta(minutes=minute)
    return {
        "customer_id": customer, "basket_id": basket, "product_id": product, "event_time": at, "event_date": at.date(),
    }  # fmt: skip


def moments(lake: Path, clicks: list[Click], lines: list[dict[str, Any]], limit: int = 100) -> list[Moment]:
    write_deltalake(SILVER_CLICK.path(lake), pa.Table.from_pylist(clicks))
    write_deltalake(TRANSACTION_LINE.path(lake), pa.Table.from_pylist(lines))
    return read_moments(lake, limit)


VISIT = [
    click("v", 0, 10),
    click("v", 1, 11, "add"),
    click("v", 2, 10),
    click("v", 3, 12, "add"),
    click("v", 4, 13),
    click("v", 5, 13, "add"),
    click("v", 6, 14, "add"),
    click("v", 7, 15, "add"),
]


def test_a_moment_knows_what_came_before_and_what_followed(tmp_path: Path) -> None:
    bought = [line(8, 1, p) for p in (11, 12, 13, 14, 15)] + [line(500, 2, 99)]
    (moment,) = moments(tmp_path, VISIT, bought)
    before = [c for c in VISIT if c["event_time"] < moment.at]
    after = [c["product_id"] for c in VISIT[len(before) :]]
    assert 0 < len(before) < len(VISIT)
    assert moment.touches.product_id.tolist() == [c["product_id"] for c in before]
    assert moment.touches.action.tolist() == [ADD if c["action"] == "add" else 1 for c in before]
    seen = {c["product_id"] for c in before}
    assert moment.next_product == next(p for p in after if p not in seen)
    cart = {c["product_id"] for c in before if c["action"] == "add"}
    assert set(moment.next_basket.tolist()) == {11, 12, 13, 14, 15} - cart


def test_touches_of_the_day_before_count_and_those_of_others_or_still_on_their_way_do_not(tmp_path: Path) -> None:
    around = [
        click("a", -300, 20),
        click("b", -2_000, 21),  # over a day ago
        click("c", 0.5, 22, customer=2),
        click("d", -1, 23, late=600),  # arrives ten hours later
    ]
    (moment,) = moments(tmp_path, VISIT + around, [line(8, 1, 11)])
    assert 20 in moment.touches.product_id
    assert not {21, 22, 23} & set(moment.touches.product_id.tolist())


def test_a_short_visit_has_no_middle_and_a_visit_without_a_basket_no_basket(tmp_path: Path) -> None:
    short = [click("s", n, 30 + n, customer=3) for n in range(3)]
    (moment,) = moments(tmp_path, VISIT + short, [line(-60, 1, 11), line(8, 2, 11, customer=3)])
    assert moment.customer_id == 1
    assert moment.next_basket.tolist() == []


def test_the_same_moments_at_every_call_and_no_more_than_asked_for(tmp_path: Path) -> None:
    clicks = [
        {**c, "session_id": f"v{n}", "customer_id": n, "event_id": f"{n}{c['event_id']}"}
        for n in range(9)
        for c in VISIT
    ]
    first = moments(tmp_path, clicks, [line(8, 1, 11)], limit=4)
    again = read_moments(tmp_path, 4)
    assert len(first) == 4
    assert [(m.customer_id, m.at_ms) for m in first] == [(m.customer_id, m.at_ms) for m in again]


@pytest.mark.parametrize("limit", [1, 100])
def test_a_lake_without_clicks_has_no_moments(tmp_path: Path, limit: int) -> None:
    assert read_moments(tmp_path, limit) == []
