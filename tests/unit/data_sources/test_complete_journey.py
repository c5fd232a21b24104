from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal

import duckdb
import numpy as np
import pytest

from data_sources import complete_journey
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines, SourceTable, table_path
from shared_utils.errors import DataError


def test_money_is_the_source_money_to_the_cent(calendar: Calendar, live_lines: Lines) -> None:
    source = duckdb.sql(f"FROM read_parquet('{table_path(SourceTable.TRANSACTIONS)}')")
    baskets = set(live_lines.basket_id.tolist())
    rows = source.filter(f"basket_id IN {tuple(baskets)}").fetchall()
    expected = Counter((r[2], r[3], r[4], *(_cents(value) for value in r[5:9])) for r in rows)
    columns = (
        live_lines.basket_id,
        live_lines.product_id,
        live_lines.quantity,
        live_lines.sales_cents,
        live_lines.retail_discount_cents,
        live_lines.coupon_discount_cents,
        live_lines.coupon_match_discount_cents,
    )
    assert Counter(zip(*(column.tolist() for column in columns), strict=True)) == expected


def _cents(value: float) -> int:
    return int((Decimal(value) * 100).quantize(Decimal(1), ROUND_HALF_EVEN))


def test_lines_lie_in_the_interval_and_in_order(calendar: Calendar, live_lines: Lines) -> None:
    start_ms, end_ms = (int(x.timestamp()) * 1000 for x in (calendar.live_start, calendar.live_end))
    assert start_ms <= live_lines.event_ms.min() <= live_lines.event_ms.max() < end_ms
    assert (np.diff(live_lines.event_ms) >= 0).all()
    numbers = [chunk.line_number.tolist() for _, chunk in live_lines.chunks(live_lines.basket_id)]
    assert numbers == [list(range(1, len(basket) + 1)) for basket in numbers]
    assert len(numbers) == len(live_lines.basket_starts()) == len(np.unique(live_lines.basket_id))


def test_odd_rows_are_kept(live_lines: Lines) -> None:
    assert (live_lines.quantity == 0).any()
    assert (live_lines.sales_cents == 0).any()


def test_a_smaller_slice_is_part_of_a_larger(calendar: Calendar, live_lines: Lines) -> None:
    fewer = complete_journey.lines(calendar, calendar.live_start, calendar.live_end, limit_customers=20)
    kept = live_lines.take(np.flatnonzero(np.isin(live_lines.customer_id, fewer.customer_id)))
    assert kept.basket_id.tolist() == fewer.basket_id.tolist()
    assert 0 < len(fewer) < len(live_lines)


def test_an_empty_interval_gives_no_lines(calendar: Calendar) -> None:
    empty = complete_journey.lines(calendar, calendar.live_start, calendar.live_start)
    assert len(empty) == len(empty.basket_starts()) == len(list(empty.chunks(empty.basket_id))) == 0


def test_every_product_has_a_search_word() -> None:
    words = complete_journey.product_categories()
    assert len(words) > 90_000
    assert all(0 < len(word) <= 200 for word in words.values())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete_journey, "_PACKAGE", "no_such_package")
    with pytest.raises(DataError, match="not installed"):
        table_path(SourceTable.PRODUCTS)
