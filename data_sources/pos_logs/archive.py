"""Sold lines as `shop.transaction.v1` values: one event a basket, its lines inside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import rfc3339, uuid_of

ARCHIVE_FILE = "transactions.ndjson.gz"
MANIFEST_FILE = "manifest.json"
ARCHIVE_DELAY_MS = 60_000
"""The archive carries no arrival times; a basket counts as arrived this long after it was paid."""

_LINE_FIELDS = (
    "line_number",
    "product_id",
    "quantity",
    "sales_cents",
    "retail_discount_cents",
    "coupon_discount_cents",
    "coupon_match_discount_cents",
)


def transaction_id(basket_id: int) -> str:
    """The event id of a basket's transaction, the same on the batch road and on the stream."""
    return uuid_of(f"transaction:{basket_id}")


def transaction_payloads(lines: Lines, calendar: Calendar) -> Iterator[dict[str, object]]:
    """The transaction event of each basket, in the order of `lines`.

    Baskets before the live replay were paid at a till (`pos`); live ones in the web shop, where their visit is seen.
    """
    starts = lines.basket_starts()
    rows = list(_line_rows(lines))
    totals = np.add.reduceat(lines.sales_cents, starts).tolist() if len(lines) else []
    stops = [*starts[1:].tolist(), len(lines)]
    live_ms = int(calendar.live_start.timestamp()) * 1000
    times = rfc3339(lines.event_ms[starts])
    head_columns = (lines.basket_id, lines.customer_id, lines.store_id)
    heads = zip(*(column[starts].tolist() for column in head_columns), strict=True)
    spans = zip(starts.tolist(), stops, strict=True)
    web = (lines.event_ms[starts] >= live_ms).tolist()
    for (basket, customer, store), (start, stop), total, time, is_web in zip(
        heads, spans, totals, times, web, strict=True
    ):
        yield {
            "event_id": transaction_id(basket),
            "event_time": time,
            "basket_id": basket,
            "customer_id": customer,
            "store_id": store,
            "channel": "web" if is_web else "pos",
            "currency": "USD",
            "total_cents": total,
            "lines": rows[start:stop],
        }


def _line_rows(lines: Lines) -> Iterator[dict[str, int]]:
    columns = [getattr(lines, name).tolist() for name in _LINE_FIELDS]
    for values in zip(*columns, strict=True):
        yield dict(zip(_LINE_FIELDS, values, strict=True))
