"""The checks on a small lake that is right, and on the same lake spoiled in one place."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from batch_processing.check_interval import CHECKS, findings
from batch_processing.expected_gold import EXPECTED
from batch_processing.interval import Interval
from contracts.topics_names import CLICK, TRANSACTION
from data_lake.catalog import (
    BRONZE_CLICK,
    BRONZE_TRANSACTION,
    CUSTOMER_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    DAILY_CUSTOMER,
    DAILY_PRODUCT_SALES,
    PRODUCT_FEATURES,
    QUARANTINE,
    SOURCE_KAFKA,
    TRANSACTION_LINE,
    Table,
)
from data_lake.transforms.bronze import SOURCE_POS_ARCHIVE
from shared_utils.errors import DataError

DAY = timedelta(days=1)
FIRST, SECOND, THIRD = (date(2026, 11, day) for day in (2, 3, 4))
BOTH = Interval(FIRST, THIRD)
Spoil = Callable[[pa.Table], pa.Table]


def received(topic: str, *days: date, source: str = SOURCE_KAFKA) -> pa.Table:
    """Bronze rows as far as the check reads them: an event of each day, and a line that is no JSON."""
    noons = [datetime.combine(day, time(12), UTC) for day in days]
    values = [f'{{"event_time":"{noon:%Y-%m-%dT%H:%M:%S.000Z}"}}'.encode() for noon in noons]
    return pa.table({
        "topic": [topic] * (len(days) + 1), "partition": pa.array([0] * (len(days) + 1), pa.int32()),
        "offset": range(len(days) + 1), "value": [*values, b"\xff{"], "source": [source] * (len(days) + 1),
        "ingest_date": [*days, FIRST],
    })  # fmt: skip


def line(basket: int, number: int, customer: int, product: int, day: date, cents: int, discount: int) -> dict[str, Any]:
    return {
        "basket_id": basket, "line_number": number, "customer_id": customer, "product_id": product, "store_id": 3,
        "event_date": day, "quantity": 1, "sales_cents": cents, "retail_discount_cents": discount,
        "coupon_discount_cents": 0, "coupon_match_discount_cents": 0,
    }  # fmt: skip


def days_since_1970(day: date) -> int:
    return (day - date(1970, 1, 1)).days


LINES = [
    line(1, 1, 7, 1, FIRST, 60, 2),
    line(1, 2, 7, 1, FIRST, 40, 5),  # the same product once more, at a discount again
    line(1, 3, 7, 2, FIRST, 50, 0),
    line(2, 1, 8, 1, SECOND, 30, 0),
    line(3, 1, 7, 1, SECOND, 20, 0),
]
FIRST_DAY, SECOND_DAY = days_since_1970(FIRST), days_since_1970(SECOND)
LAKE: dict[Table, pa.Table] = {
    TRANSACTION_LINE: pa.Table.from_pylist(LINES),
    DAILY_CUSTOMER: pa.table({
        "customer_id": [7, 7, 8], "event_date": [FIRST, SECOND, SECOND], "orders_count": [1, 1, 1],
        "lines_count": [2, 1, 1], "discounted_lines_count": [1, 0, 0], "quantity_sum": [3, 1, 1],
        "spend_cents": [150, 20, 30], "discount_cents": [7, 0, 0], "products_count": [2, 1, 1],
        "stores_count": [1, 1, 1],
    }),
    DAILY_PRODUCT_SALES: pa.table({
        "product_id": [1, 2, 1], "event_date": [FIRST, FIRST, SECOND], "orders_count": [1, 1, 2],
        "customers_count": [1, 1, 2], "quantity_sum": [2, 1, 2], "spend_cents": [100, 50, 50],
        "discount_cents": [7, 0, 0], "discounted_orders_count": [1, 0, 0],
    }),
    CUSTOMER_FEATURES: pa.table({
        "customer_id": [7, 7, 8], "event_date": [FIRST, SECOND, SECOND], "event_timestamp": [3, 4, 4],
        "first_order_day": [FIRST_DAY, FIRST_DAY, SECOND_DAY], "last_order_day": [FIRST_DAY, SECOND_DAY, SECOND_DAY],
        "order_days_count": [1, 2, 1], "lines_count": [2, 3, 1], "lines_91d": [2, 3, 1],
        "discounted_lines_91d": [1, 1, 0],
        **{name: [1, 2, 1] for name in ("orders_count", "orders_7d", "orders_28d", "orders_91d")},
        **{name: [150, 170, 30] for name in ("spend_cents_28d", "spend_cents_91d")},
    }),
    PRODUCT_FEATURES: pa.table({
        "product_id": [1, 2, 1], "event_date": [FIRST, FIRST, SECOND], "event_timestamp": [3, 3, 4],
        "first_day": [FIRST_DAY] * 3, "orders_count": [1, 1, 3], "buyers_count": [1, 1, 2],
        "repeat_buyers_count": [0, 0, 1], "quantity_sum": [2, 1, 4], "spend_cents_sum": [100, 50, 150],
        "discounted_orders_count": [1, 0, 1],
    }),
    CUSTOMER_PRODUCT_FEATURES: pa.table({
        "customer_id": [7, 7, 7, 8], "product_id": [1, 2, 1, 1], "event_date": [FIRST, FIRST, SECOND, SECOND],
        "event_timestamp": [3, 3, 4, 4], "first_day": [FIRST_DAY, FIRST_DAY, FIRST_DAY, SECOND_DAY],
        "orders_count": [1, 1, 2, 1], "days_count": [1, 1, 2, 1], "quantity_sum": [2, 1, 3, 1],
        "spend_cents_sum": [100, 50, 120, 30], "discounted_orders_count": [1, 0, 1, 0],
    }),
    BRONZE_TRANSACTION: received(TRANSACTION, FIRST, SECOND),
}  # fmt: skip
# The second day was a holiday: the shop took no basket.
HOLIDAY: dict[Table, pa.Table] = {
    **{table: rows.filter(pc.equal(rows["event_date"], pa.scalar(FIRST)))
       for table, rows in LAKE.items() if "event_date" in rows.column_names},
    CUSTOMER_FEATURES: pa.Table.from_pylist([
        {**row, "event_date": day} for row in LAKE[CUSTOMER_FEATURES].slice(0, 1).to_pylist() for day in (FIRST, SECOND)
    ]),
    BRONZE_TRANSACTION: received(TRANSACTION, FIRST, THIRD),
    BRONZE_CLICK: received(CLICK, FIRST, SECOND, THIRD),
}  # fmt: skip


def without_last(rows: pa.Table) -> pa.Table:
    return rows.slice(0, rows.num_rows - 1)


def without_the_second_day(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.equal(rows["event_date"], pa.scalar(FIRST)))


def last_twice(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(rows.num_rows - 1)])


def one_more(name: str) -> Spoil:
    def spoil(rows: pa.Table) -> pa.Table:
        more = pc.add(rows[name], pc.equal(rows["event_date"], pa.scalar(SECOND)).cast(pa.int64()))
        return rows.set_column(rows.column_names.index(name), name, more)

    return spoil


def unlike(table: Table) -> str:
    return f"rows of {table.full_name} that are not what silver gives"


def write(root: Path, spoiled: Table | None = None, spoil: Spoil = lambda rows: rows) -> Path:
    return write_all(root, {table: spoil(rows) if table is spoiled else rows for table, rows in LAKE.items()})


def write_all(root: Path, lake: dict[Table, pa.Table]) -> Path:
    for table, rows in lake.items():
        write_deltalake(table.path(root), rows)
    return root


def told_of(root: Path, interval: Interval = BOTH) -> list[str]:
    return [str(finding) for finding in findings(root, interval, horizon_days=30)]


def test_a_lake_that_agrees_has_no_finding(tmp_path: Path) -> None:
    assert told_of(write(tmp_path)) == []


@pytest.mark.parametrize(
    ("table", "spoil", "told"),
    [
        (TRANSACTION_LINE, without_the_second_day, "2026-11-03 baskets of bronze without a place: 1 instead of 0"),
        (TRANSACTION_LINE, last_twice, "2026-11-03 rows of silver.transaction_line, each key once: 3 instead of 2"),
        *((table, without_last, f"2026-11-03 {unlike(table)}: 1 instead of 0") for table in EXPECTED),
        *((table, last_twice, f"2026-11-03 {unlike(table)}: 1 instead of 0") for table in EXPECTED),
    ],
)
def test_each_check_sees_its_fault(tmp_path: Path, table: Table, spoil: Spoil, told: str) -> None:
    assert told in told_of(write(tmp_path, table, spoil))


@pytest.mark.parametrize(
    ("table", "name"),
    [(table, name) for table, expected in EXPECTED.items() for name in expected.columns if name != "event_date"],
)
def test_a_wrong_value_in_any_column_is_told_of_with_its_day(tmp_path: Path, table: Table, name: str) -> None:
    told = told_of(write(tmp_path, table, one_more(name)))

    assert [one.rpartition(":")[0] for one in told] == [f"2026-11-03 {unlike(table)}"]


def test_every_check_has_a_fault_above_or_below() -> None:
    (mark,) = test_each_check_sees_its_fault.pytestmark
    told = {row[2].partition(" ")[2].partition(":")[0] for row in mark.args[1]}

    without = {"days of which bronze holds an event", "days before it, since gold's first one, with features"}
    assert told | without == set(CHECKS)


def test_a_day_on_which_the_shop_was_closed_is_no_fault(tmp_path: Path) -> None:
    assert told_of(write_all(tmp_path, HOLIDAY)) == []


def test_a_day_of_which_nothing_was_received_is_one(tmp_path: Path) -> None:
    root = write_all(tmp_path, {**HOLIDAY, BRONZE_CLICK: received(CLICK, FIRST, THIRD)})

    assert told_of(root) == ["2026-11-03 days of which bronze holds an event: 0 instead of 1"]


def test_an_archive_may_have_days_without_a_line_inside_but_not_behind_its_end(tmp_path: Path) -> None:
    archive = received(TRANSACTION, FIRST, THIRD, source=SOURCE_POS_ARCHIVE)
    root = write_all(tmp_path, {**HOLIDAY, BRONZE_TRANSACTION: archive, BRONZE_CLICK: received(CLICK)})

    assert told_of(root) == []
    later = told_of(root, Interval(THIRD + timedelta(days=1), THIRD + timedelta(days=2)))
    assert "2026-11-05 days of which bronze holds an event: 0 instead of 1" in later


def test_a_basket_that_was_refused_on_a_closed_day_has_its_place(tmp_path: Path) -> None:
    baskets = received(TRANSACTION, FIRST, SECOND)
    lost = write_all(tmp_path / "lost", {**HOLIDAY, BRONZE_TRANSACTION: baskets})
    refused = write_all(tmp_path / "refused", {**HOLIDAY, BRONZE_TRANSACTION: baskets, QUARANTINE: baskets.slice(1, 1)})

    assert told_of(lost) == ["2026-11-03 baskets of bronze without a place: 1 instead of 0"]
    assert told_of(refused) == []


def test_a_day_before_the_interval_that_gold_lacks_is_a_fault(tmp_path: Path) -> None:
    features = LAKE[CUSTOMER_FEATURES]
    early = features.set_column(1, "event_date", pa.array([FIRST - timedelta(days=3), SECOND, SECOND]))
    root = write_all(tmp_path, {**LAKE, CUSTOMER_FEATURES: early})

    missing = "days before it, since gold's first one, with features: 0 instead of 1"
    assert told_of(root, Interval(SECOND, THIRD)) == [
        f"{FIRST - timedelta(days=gone)} {missing}" for gone in (2, 1, 0)
    ]  # of the days before gold's first one nothing is demanded


@pytest.mark.parametrize("days", [7, 28, 91])
def test_a_window_forgets_what_is_as_old_as_it_is_long(tmp_path: Path, days: int) -> None:
    later = SECOND + timedelta(days=days)
    (row,) = LAKE[CUSTOMER_FEATURES].slice(2, 1).to_pylist()
    forgotten = {name: 0 for name in row if re.search(r"_(\d+)d$", name) and int(name[:-1].rpartition("_")[2]) <= days}
    features = pa.Table.from_pylist([{**row, **forgotten, "event_date": later}])
    root = write_all(tmp_path, {**LAKE, CUSTOMER_FEATURES: features})

    # Of the other customer, who is older by a day, nothing is there.
    assert f"{later} {unlike(CUSTOMER_FEATURES)}: 1 instead of 0" in told_of(root, Interval(later, later + DAY))


def test_what_lies_outside_the_interval_does_not_count(tmp_path: Path) -> None:
    root = write(tmp_path, DAILY_PRODUCT_SALES, without_last)

    assert told_of(root, Interval(FIRST, SECOND)) == []


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"silver\.transaction_line does not exist"):
        told_of(tmp_path)
