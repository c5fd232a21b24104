"""What gold should hold of the days in question, worked out from silver once more, in another way and by DuckDB.

The jobs keep running sums and read what earlier days left behind; here every day is added up from its first line on.
The formulas stand in feature_store/features.yaml. Left out: decayed sums, a customer's baskets around a purchase, codes
and stamps. FACTS reads `transaction_line` and `days` (day), the days in question; the queries read what it makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from data_lake.catalog import (
    CUSTOMER_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    DAILY_CUSTOMER,
    DAILY_PRODUCT_SALES,
    PRODUCT_FEATURES,
    Table,
)


@dataclass(frozen=True, slots=True)
class Expected:
    """Columns of a gold table, and the query for what they should hold on the days in question."""

    columns: tuple[str, ...]
    query: str


def _expected(source: str, *keys: str, **values: str) -> Expected:
    """Rows of `source` by key and day, each value an aggregate. `day` is the day whose close the row describes."""
    columns = {**{name: name for name in keys}, "event_date": "day", **values}
    selected = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    return Expected(tuple(columns), f"SELECT {selected} FROM {source} GROUP BY {', '.join(keys)}, day")  # noqa: S608


FACTS: Final = """
CREATE TEMP TABLE basket_product AS
SELECT
    basket_id, product_id, customer_id, store_id, event_date,
    sum(quantity) AS quantity,
    sum(sales_cents) AS spend,
    sum(retail_discount_cents + coupon_discount_cents + coupon_match_discount_cents) AS discount,
    max((retail_discount_cents + coupon_discount_cents + coupon_match_discount_cents > 0)::INT) AS discounted
FROM transaction_line WHERE event_date <= (SELECT max(day) FROM days) GROUP BY ALL;

CREATE TEMP TABLE customer_day AS
SELECT
    customer_id, event_date, count(DISTINCT basket_id) AS orders, count(*) AS lines, sum(spend) AS spend,
    sum(discounted) AS discounted
FROM basket_product GROUP BY ALL;

CREATE TEMP TABLE pair_day AS
SELECT
    customer_id, product_id, event_date, count(*) AS orders, sum(quantity) AS quantity, sum(spend) AS spend,
    sum(discounted) AS discounted,
    row_number() OVER (PARTITION BY customer_id, product_id ORDER BY event_date) AS nth
FROM basket_product GROUP BY customer_id, product_id, event_date;

CREATE TEMP TABLE product_day AS
SELECT
    product_id, event_date, sum(orders) AS orders, sum(quantity) AS quantity, sum(spend) AS spend,
    sum(discounted) AS discounted, count(*) FILTER (nth = 1) AS new_buyers, count(*) FILTER (nth = 2) AS new_repeats
FROM pair_day GROUP BY ALL
"""
"""The history up to the last day in question, as four tables that are named after their grain."""

_TODAY: Final = "basket_product JOIN days ON event_date = day"


def _until(facts: str, *keys: str) -> str:
    """The facts up to each day in question on which there is one of their key."""
    columns = ", ".join(keys)
    bought = f"SELECT {columns}, event_date AS day FROM {facts} WHERE event_date IN (SELECT day FROM days)"  # noqa: S608
    return f"({bought}) JOIN {facts} USING ({columns}) WHERE event_date <= day"


def _epoch_day(expression: str) -> str:
    return f"{expression} - DATE '1970-01-01'"


def _last(days: int, name: str) -> str:
    return f"coalesce(sum({name}) FILTER (event_date > day - {days}), 0)"


EXPECTED: Final[Mapping[Table, Expected]] = {
    DAILY_CUSTOMER: _expected(
        _TODAY,
        "customer_id",
        orders_count="count(DISTINCT basket_id)",
        lines_count="count(*)",
        discounted_lines_count="sum(discounted)",
        quantity_sum="sum(quantity)",
        spend_cents="sum(spend)",
        discount_cents="sum(discount)",
        products_count="count(DISTINCT product_id)",
        stores_count="count(DISTINCT store_id)",
    ),
    DAILY_PRODUCT_SALES: _expected(
        _TODAY,
        "product_id",
        orders_count="count(*)",
        customers_count="count(DISTINCT customer_id)",
        quantity_sum="sum(quantity)",
        spend_cents="sum(spend)",
        discount_cents="sum(discount)",
        discounted_orders_count="sum(discounted)",
    ),
    CUSTOMER_FEATURES: _expected(
        "customer_day JOIN days ON event_date <= day",
        "customer_id",
        first_order_day=_epoch_day("min(event_date)"),
        last_order_day=_epoch_day("max(event_date)"),
        orders_count="sum(orders)",
        order_days_count="count(*)",
        lines_count="sum(lines)",
        orders_7d=_last(7, "orders"),
        orders_28d=_last(28, "orders"),
        orders_91d=_last(91, "orders"),
        spend_cents_28d=_last(28, "spend"),
        spend_cents_91d=_last(91, "spend"),
        lines_91d=_last(91, "lines"),
        discounted_lines_91d=_last(91, "discounted"),
    ),
    PRODUCT_FEATURES: _expected(
        _until("product_day", "product_id"),
        "product_id",
        first_day=_epoch_day("min(event_date)"),
        orders_count="sum(orders)",
        buyers_count="sum(new_buyers)",
        repeat_buyers_count="sum(new_repeats)",
        quantity_sum="sum(quantity)",
        spend_cents_sum="sum(spend)",
        discounted_orders_count="sum(discounted)",
    ),
    CUSTOMER_PRODUCT_FEATURES: _expected(
        _until("pair_day", "customer_id", "product_id"),
        "customer_id",
        "product_id",
        first_day=_epoch_day("min(event_date)"),
        orders_count="sum(orders)",
        days_count="count(*)",
        quantity_sum="sum(quantity)",
        spend_cents_sum="sum(spend)",
        discounted_orders_count="sum(discounted)",
    ),
}
"""Grain: each table's own. Units: cents, days since 1970-01-01."""
