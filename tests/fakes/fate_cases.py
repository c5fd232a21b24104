"""Events for every fate a received row can have, with the fate that a reader of the contracts would give it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from contracts.topics_names import CLICK, TRANSACTION
from shared_utils.time_utils import to_rfc3339

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)  # a Monday
BOUGHT, UNLISTED = 1001, 9999
STORE = 7


class Case(NamedTuple):
    """A record and its fate: `silver`, `late`, `duplicate` or `quarantine:<REASON>`."""

    topic: str
    value: bytes | None
    arrival: datetime
    fate: str


def encoded(event: dict[str, Any]) -> bytes:
    """The event as a producer writes it."""
    return json.dumps(event, separators=(",", ":")).encode()


def event_id(number: int) -> str:
    """A UUID for a small number."""
    return str(uuid.UUID(int=number))


def click(number: int, happened: datetime = NOON, **changes: Any) -> dict[str, Any]:
    """A valid view."""
    event = {
        "event_id": event_id(number),
        "event_time": to_rfc3339(happened),
        "session_id": "s-1",
        "customer_id": 1,
        "action": "view",
        "product_id": BOUGHT,
        "position": None,
        "query": None,
        "basket_id": None,
        "page": "product",
        "device_type": "mobile",
    }
    return {**event, **changes}


def line(number: int, product_id: int, sales_cents: int) -> dict[str, int]:
    """A line of a basket."""
    return {
        "line_number": number,
        "product_id": product_id,
        "quantity": 2,
        "sales_cents": sales_cents,
        "retail_discount_cents": 10,
        "coupon_discount_cents": 0,
        "coupon_match_discount_cents": 0,
    }


def transaction(number: int, happened: datetime = NOON, **changes: Any) -> dict[str, Any]:
    """A valid basket of two lines: one product that is listed and one that is not."""
    event = {
        "event_id": event_id(number),
        "event_time": to_rfc3339(happened),
        "basket_id": number,
        "customer_id": 1,
        "store_id": STORE,
        "channel": "pos",
        "currency": "USD",
        "total_cents": 350,
        "lines": [line(1, BOUGHT, 250), line(2, UNLISTED, 100)],
    }
    return {**event, **changes}


def payment(number: int, happened: datetime = NOON, **changes: Any) -> dict[str, Any]:
    """A valid, approved payment."""
    event = {
        "event_id": event_id(number),
        "event_time": to_rfc3339(happened),
        "payment_id": f"p-{number}",
        "basket_id": number,
        "customer_id": 1,
        "attempt": 1,
        "outcome": "approved",
        "decline_reason": None,
        "amount_cents": 350,
        "currency": "USD",
        "card_token": "card-1",
        "device_id": "device-1",
        "region": "east",
    }
    return {**event, **changes}


def click_cases() -> list[Case]:
    """Each fate and reason of a click, in the order of arrival."""
    soon, late = NOON + timedelta(seconds=1), NOON + timedelta(hours=3)
    good = encoded(click(1))
    return [
        Case(CLICK, good, soon, "silver"),
        Case(CLICK, encoded(click(2, NOON - timedelta(minutes=9))), soon, "silver"),
        Case(CLICK, good, soon + timedelta(seconds=1), "duplicate"),
        Case(CLICK, encoded(click(1, product_id=5)), soon + timedelta(seconds=2), "quarantine:ID_CONFLICT"),
        Case(CLICK, good[:-5], soon, "quarantine:PARSE"),
        Case(CLICK, b"\xff\xfe" + good, soon, "quarantine:PARSE"),
        Case(CLICK, b"\xef\xbb\xbf" + good, soon, "quarantine:PARSE"),
        Case(CLICK, b"", soon, "quarantine:PARSE"),
        Case(CLICK, None, soon, "quarantine:PARSE"),
        Case(CLICK, b"[" * 1000 + b"]" * 1000, soon, "quarantine:SIZE"),
        Case(CLICK, encoded(click(3, page="moon")), soon, "quarantine:SCHEMA"),
        Case(CLICK, good.replace(b'"customer_id":1', b'"customer_id":1.0'), soon, "quarantine:SCHEMA"),
        Case(CLICK, encoded(click(4, NOON + timedelta(minutes=6))), NOON, "quarantine:FUTURE"),
        Case(CLICK, encoded(click(5, NOON + timedelta(minutes=4))), NOON, "silver"),
        Case(CLICK, encoded(click(6)), NOON + timedelta(hours=2), "silver"),
        Case(CLICK, encoded(click(7)), NOON + timedelta(hours=2, milliseconds=1), "late"),
        Case(CLICK, encoded(click(8)), late, "late"),
        Case(CLICK, encoded(click(8)), late + timedelta(seconds=1), "duplicate"),
        Case(CLICK, encoded(click(8, product_id=5)), late + timedelta(seconds=2), "quarantine:ID_CONFLICT"),
        # Refused once for the producer's clock, then sent again in time: the first did not take the id.
        Case(CLICK, encoded(click(4, NOON + timedelta(minutes=6))), late - timedelta(hours=2), "silver"),
    ]


def transaction_cases() -> list[Case]:
    """Fates of baskets; SEMANTIC is one that clicks do not have."""
    soon = NOON + timedelta(seconds=60)
    return [
        Case(TRANSACTION, encoded(transaction(101)), soon, "silver"),
        Case(TRANSACTION, encoded(transaction(101)), soon, "duplicate"),
        Case(TRANSACTION, encoded(transaction(102, total_cents=351)), soon, "quarantine:SEMANTIC"),
        # Monday 04:59 UTC still belongs to the shop week before.
        Case(TRANSACTION, encoded(transaction(103, NOON.replace(hour=4, minute=59))), NOON.replace(hour=5), "silver"),
        Case(TRANSACTION, encoded(transaction(104)), NOON + timedelta(days=1), "late"),
    ]
