"""The definition of the windows against a recomputation that looks at one minute and one touch at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.core import live_windows
from feature_store.core.catalogue import load_catalogue
from feature_store.core.live_windows import (
    MAX_LAST_VIEWED,
    PRODUCT_MEASURES,
    LiveFeatures,
    ProductCategories,
    customer_features,
    end_minute,
    window_sums,
)
from tests.fakes.live_records import CATEGORY_OF, NOON, customer_event, minutes_of, touch

MINUTE = timedelta(minutes=1)
CATEGORIES = ProductCategories(
    np.array(sorted(CATEGORY_OF)), np.array([CATEGORY_OF[p] for p in sorted(CATEGORY_OF)], np.int32)
)
Event = dict[str, Any]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], datetime]:
    """A customer's minutes around the edges of every window, and an instant at which they are read."""
    edges = [m for edge in (0, 5, 60, 1440) for m in range(edge - 3, edge + 4)]
    ages = draw(st.lists(st.sampled_from(edges) | st.integers(-5, 1500), unique=True, max_size=12))
    events = []
    for age in ages:
        start = NOON - age * MINUTE
        touches = draw(
            st.lists(st.tuples(st.integers(1, 8), st.integers(0, 59_999), st.sampled_from(["view", "add"])), max_size=5)
        )
        products = [touch(p, start + timedelta(milliseconds=ms), action) for p, ms, action in touches]
        counts = {name: draw(st.integers(0, 9)) for name in ("views", "adds", "purchases", "spend_cents")}
        events.append(customer_event(7, start, products=products, **counts))
    now = NOON + timedelta(microseconds=draw(st.sampled_from([0, 1, 59_999_999]) | st.integers(0, 59_999_999)))
    return events, now


def naive(events: list[Event], now: datetime) -> tuple[dict[str, int], tuple[int, ...]]:
    def start(event: Event) -> datetime:
        return datetime.fromisoformat(event["bucket_start"])

    values = {}
    for window, length in (("5m", 5), ("1h", 60), ("24h", 1440)):
        inside = [e for e in events if now - length * MINUTE <= start(e) < now]
        for measure in ("views", "adds", "purchases", "spend_cents"):
            values[f"customer_{measure}_{window}"] = sum(e[measure] for e in inside)
        codes = {CATEGORY_OF.get(t["product_id"], 0) for e in inside for t in e["products"]} - {0}
        values[f"customer_categories_{window}"] = len(codes)
    day = [e for e in events if now - 1440 * MINUTE <= start(e) < now]
    latest: dict[int, str] = {}
    for seen in (t for e in day for t in e["products"] if t["action"] == "view"):
        latest[seen["product_id"]] = max(latest.get(seen["product_id"], ""), seen["event_time"])
    by_id = sorted(latest)
    return values, tuple(sorted(by_id, key=lambda product: latest[product], reverse=True)[:MAX_LAST_VIEWED])


def compare(events: list[Event], now: datetime) -> LiveFeatures | None:
    found = customer_features(minutes_of(events), now, CATEGORIES)
    values, last_viewed = naive(events, now)
    if found is None:
        assert not any(values.values())
        assert not last_viewed
        return None
    assert found.values == values
    assert found.last_viewed_products == last_viewed
    return found


@settings(max_examples=200, deadline=None)
@given(histories())
def test_windows_are_what_a_naive_recomputation_says(history: tuple[list[Event], datetime]) -> None:
    compare(*history)


def test_a_window_off_by_one_minute_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [customer_event(7, NOON - 5 * MINUTE, views=1), customer_event(7, NOON - 4 * MINUTE, views=1)]
    compare(events, NOON)
    monkeypatch.setattr(live_windows, "end_minute", lambda now: end_minute(now) + 1)
    with pytest.raises(AssertionError):
        compare(events, NOON)


@pytest.mark.parametrize(
    ("seconds", "inside"), [(0.0, False), (0.000001, True), (30.0, True), (300.0, True), (300.000001, False)]
)
def test_a_minute_counts_from_its_start_until_the_window_has_passed_it(seconds: float, inside: bool) -> None:
    minutes = minutes_of([customer_event(7, NOON, views=3)])
    sums = window_sums("customer", minutes.minute, minutes.sums, NOON + timedelta(seconds=seconds))
    assert sums["customer_views_5m"] == (3 if inside else 0)


def test_every_window_has_its_whole_number_of_minutes_at_any_instant() -> None:
    for age_us in (0, 1, 29_999_999, 59_999_999):
        minutes = minutes_of([customer_event(7, NOON + n * MINUTE, views=1) for n in range(-1500, 5)])
        sums = window_sums("customer", minutes.minute, minutes.sums, NOON + timedelta(microseconds=age_us))
        assert [sums[f"customer_views_{w}"] for w in ("5m", "1h", "24h")] == [5, 60, 1440]


def test_the_last_event_is_the_newest_one_and_gives_the_age() -> None:
    events = [customer_event(7, NOON - 3 * MINUTE), customer_event(7, NOON - MINUTE), customer_event(7, NOON + MINUTE)]
    found = compare(events, NOON)
    assert found is not None
    assert found.last.event_id == events[1]["last_event_id"]
    assert found.event_time == datetime.fromisoformat(events[1]["event_time"])
    assert found.age_seconds == (NOON - found.event_time).total_seconds()


def test_nothing_in_a_day_is_nothing() -> None:
    assert customer_features(minutes_of([customer_event(7, NOON - 1441 * MINUTE)]), NOON, CATEGORIES) is None


def test_only_the_newest_twenty_views_are_named() -> None:
    products = [touch(n, NOON - MINUTE + timedelta(seconds=n)) for n in range(1, 31)]
    found = customer_features(minutes_of([customer_event(7, NOON - MINUTE, products=products)]), NOON, CATEGORIES)
    assert found is not None
    assert found.last_viewed_products == tuple(range(30, 10, -1))


def test_an_empty_product_table_knows_no_category() -> None:
    nothing = ProductCategories(np.array([], np.int64), np.array([], np.int32))
    assert nothing.of(np.array([1, 2])).tolist() == [0, 0]


def test_the_catalogue_describes_every_live_feature_and_no_other() -> None:
    found = customer_features(minutes_of([customer_event(7, NOON - MINUTE)]), NOON, CATEGORIES)
    assert found is not None
    zero = {measure: np.array([0]) for measure in PRODUCT_MEASURES}
    product = window_sums("product", np.array([0]), zero, datetime(2026, 1, 1, tzinfo=UTC))
    others = {"customer_last_viewed_products_24h", "product_activity_5m", "product_activity_1h"}
    assert {f.name for f in load_catalogue().live} == {*found.values, *product, *others}
