"""The checks on a small lake that is right, and on the same lake spoiled in one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from batch_processing.check_interval import CHECKS, findings
from batch_processing.interval import Interval
from data_lake.catalog import CUSTOMER_FEATURES, DAILY_CUSTOMER, DAILY_PRODUCT_SALES, TRANSACTION_LINE, Table
from shared_utils.errors import DataError

FIRST, SECOND = date(2026, 11, 2), date(2026, 11, 3)
BOTH = Interval(FIRST, SECOND + timedelta(days=1))
Spoil = Callable[[pa.Table], pa.Table]

LAKE: dict[Table, pa.Table] = {
    TRANSACTION_LINE: pa.table({
        "basket_id": [1, 1, 2], "line_number": [1, 2, 1], "customer_id": [7, 7, 8],
        "event_date": [FIRST, FIRST, SECOND], "sales_cents": [100, 50, 30],
    }),
    DAILY_CUSTOMER: pa.table({"customer_id": [7, 8], "event_date": [FIRST, SECOND], "spend_cents": [150, 30]}),
    DAILY_PRODUCT_SALES: pa.table({
        "product_id": [1, 2, 1], "event_date": [FIRST, FIRST, SECOND], "spend_cents": [100, 50, 30],
    }),
    CUSTOMER_FEATURES: pa.table({
        "customer_id": [7, 7, 8], "event_date": [FIRST, SECOND, SECOND], "event_timestamp": [3, 4, 4],
    }),
}  # fmt: skip


def without_last(rows: pa.Table) -> pa.Table:
    return rows.slice(0, rows.num_rows - 1)


def last_twice(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(rows.num_rows - 1)])


def a_cent_more(rows: pa.Table) -> pa.Table:
    place = rows.column_names.index("spend_cents")
    return rows.set_column(place, "spend_cents", pc.add(rows["spend_cents"], pa.scalar(1)))


def write(root: Path, spoiled: Table | None = None, spoil: Spoil = lambda rows: rows) -> Path:
    for table, rows in LAKE.items():
        write_deltalake(table.path(root), spoil(rows) if table is spoiled else rows)
    return root


def test_a_lake_that_agrees_has_no_finding(tmp_path: Path) -> None:
    assert findings(write(tmp_path), BOTH) == []


@pytest.mark.parametrize(
    ("table", "spoil", "told"),
    [
        (TRANSACTION_LINE, without_last, "2026-11-03 days without a basket: 1 instead of 0"),
        (TRANSACTION_LINE, last_twice, "2026-11-03 rows of silver.transaction_line, each key once: 2 instead of 1"),
        (DAILY_CUSTOMER, last_twice, "2026-11-03 rows of gold.daily_customer, each key once: 2 instead of 1"),
        (DAILY_PRODUCT_SALES, last_twice, "2026-11-03 rows of gold.daily_product_sales, each key once: 2 instead of 1"),
        (CUSTOMER_FEATURES, last_twice, "2026-11-03 rows of gold.customer_features, each key once: 3 instead of 2"),
        (DAILY_CUSTOMER, a_cent_more, "2026-11-02 cents of gold.daily_customer: 151 instead of 150"),
        (DAILY_PRODUCT_SALES, without_last, "2026-11-03 cents of gold.daily_product_sales: 0 instead of 30"),
        (CUSTOMER_FEATURES, without_last, "2026-11-03 customers with features: 1 instead of 2"),
    ],
)
def test_each_check_sees_its_fault(tmp_path: Path, table: Table, spoil: Spoil, told: str) -> None:
    assert told in map(str, findings(write(tmp_path, table, spoil), BOTH))


def test_every_check_has_a_fault_above() -> None:
    (mark,) = test_each_check_sees_its_fault.pytestmark
    told = {row[2].partition(" ")[2].partition(":")[0] for row in mark.args[1]}

    assert told == set(CHECKS)


def test_what_lies_outside_the_interval_does_not_count(tmp_path: Path) -> None:
    root = write(tmp_path, DAILY_PRODUCT_SALES, without_last)

    assert findings(root, Interval(FIRST, SECOND)) == []


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"silver\.transaction_line does not exist"):
        findings(tmp_path, BOTH)
