"""Fields that contradict each other are named."""

from __future__ import annotations

from contracts.validators.semantic_rules import (
    bucket_is_one_minute,
    decision_has_a_value_per_feature,
    transaction_adds_up,
)


def test_a_total_is_the_sum_of_its_lines() -> None:
    lines = [{"line_number": 1, "sales_cents": 40}, {"line_number": 2, "sales_cents": 2}]
    problem = transaction_adds_up({"total_cents": 41, "lines": lines})
    assert transaction_adds_up({"total_cents": 42, "lines": lines}) is None
    assert problem == "total_cents: 41 is not the sum of the lines' sales_cents, 42"


def test_a_line_number_stands_once() -> None:
    lines = [{"line_number": 1, "sales_cents": 40}, {"line_number": 1, "sales_cents": 2}]
    assert transaction_adds_up({"total_cents": 42, "lines": lines}) == "lines: a line_number stands twice"


def test_an_item_has_one_value_per_feature_name() -> None:
    items = [{"rank": 1, "features": [1.0]}, {"rank": 2, "features": []}]
    problem = decision_has_a_value_per_feature({"feature_names": ["orders_28d"], "items": items})
    assert problem == "items[1].features: 0 values for 1 feature names"


def test_a_rank_stands_once() -> None:
    items = [{"rank": 1, "features": []}, {"rank": 1, "features": []}]
    assert decision_has_a_value_per_feature({"feature_names": [], "items": items}) == "items: a rank stands twice"


def test_a_bucket_is_one_whole_minute() -> None:
    minute = {"bucket_start": "2026-11-20T10:15:00.000Z", "event_time": "2026-11-20T10:15:59.999Z"}
    assert bucket_is_one_minute(minute) is None
    assert bucket_is_one_minute({**minute, "products": [{"event_time": "2026-11-20T10:15:00.000Z"}]}) is None
    shifted = bucket_is_one_minute({**minute, "bucket_start": "2026-11-20T10:15:01.000Z"})
    assert shifted == "bucket_start: 2026-11-20T10:15:01.000Z is not the first instant of a minute"
    later = bucket_is_one_minute({**minute, "event_time": "2026-11-20T10:16:00.000Z"})
    assert later == "event_time: 2026-11-20T10:16:00.000Z is outside the minute 2026-11-20T10:15:00.000Z"
    touched = bucket_is_one_minute({**minute, "products": [{"event_time": "2026-11-20T10:14:59.999Z"}]})
    assert touched is not None
    assert touched.startswith("products[0].event_time")
