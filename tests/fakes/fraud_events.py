"""Payments and baskets in which every fraud rule fires often, at its bounds too: out of order, late and repeated."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson

from contracts.topics_names import PAYMENT, TRANSACTION
from shared_utils.records import Record
from shared_utils.time_utils import EPOCH, to_rfc3339
from tests.fakes.flink_world import traceparent

START_MS = 1_790_000_000_000
_PURCHASE_MINUTES = 60 * 24 * 28
Event = dict[str, Any]


def instant(event_ms: int) -> str:
    """An instant as the contracts write it."""
    return to_rfc3339(EPOCH + timedelta(milliseconds=event_ms))


def payment(event_ms: int, event_id: str = "", **changes: Any) -> Event:
    """A valid, approved payment."""
    outcome = changes.get("outcome", "approved")
    return {
        "event_id": event_id or str(uuid.UUID(int=event_ms)),
        "event_time": instant(event_ms),
        "payment_id": "p-1",
        "basket_id": 1,
        "customer_id": 1,
        "attempt": 1,
        "outcome": outcome,
        "decline_reason": None if outcome == "approved" else "suspected_fraud",
        "amount_cents": 1000,
        "currency": "USD",
        "card_token": "card-1",
        "device_id": "device-1",
        "region": "region-0",
        "address_token": "address-1",
        **changes,
    }


def purchase(
    event_ms: int, coupon_cents: int, event_id: str = "", customer_id: int = 1, total_cents: int = 3000
) -> Event:
    """A valid basket of two lines whose coupons and their match add up to `coupon_cents`."""
    first = {
        "line_number": 2, "product_id": 1, "quantity": 1, "sales_cents": total_cents, "retail_discount_cents": 5,
        "coupon_discount_cents": coupon_cents // 2, "coupon_match_discount_cents": 0,
    }  # fmt: skip
    other = {
        **first, "line_number": 1, "product_id": 2, "sales_cents": 0, "coupon_discount_cents": 0,
        "coupon_match_discount_cents": coupon_cents - coupon_cents // 2,
    }  # fmt: skip
    return {
        "event_id": event_id or str(uuid.UUID(int=event_ms)),
        "event_time": instant(event_ms),
        "basket_id": 1,
        "customer_id": customer_id,
        "store_id": 1,
        "channel": "web",
        "currency": "USD",
        "total_cents": total_cents,
        "lines": [first, other],
    }


def jittered(payments: int, purchases: int, seed: int) -> list[Record]:
    """Records in the order of arrival: most 0 to 8 s late, some minutes, one in fifty sent twice.

    Payments fall about two a second on whole half seconds, so that many share an instant or lie exactly a window apart.
    `closing` must follow.
    """
    rng = random.Random(seed)
    sent = [*_arrivals(_payments(payments, rng), PAYMENT, rng)]
    sent += _arrivals(_purchases(purchases, rng), TRANSACTION, rng)
    return [record for _, record in sorted(sent, key=lambda pair: pair[0])]


def closing(time: int) -> list[Record]:
    """Records that carry the watermark of every partition past everything before; number `time` of them.

    After a restart Flink knows no watermark of a partition until its next record, so they are then sent again.
    """
    end_ms = START_MS + _PURCHASE_MINUTES * 60_000 + time * 86_400_000
    sent = []
    for customer in range(1001, 1021):
        event_id, name = str(uuid.UUID(int=10_000 * (time + 1) + customer)), f"end-{customer}"
        paid = payment(end_ms, event_id, customer_id=customer, card_token=name, device_id=name, address_token=name)
        sent += [(PAYMENT, paid), (TRANSACTION, purchase(end_ms, 0, event_id, customer))]
    return [_record(topic, event, end_ms + 300_000) for topic, event in sent]


def _payments(count: int, rng: random.Random) -> Iterator[tuple[int, Event]]:
    for _ in range(count):
        event_ms = START_MS + 500 * rng.randrange(count)
        customer = rng.randint(1, 300)
        yield (
            event_ms,
            payment(
                event_ms,
                str(uuid.UUID(int=rng.getrandbits(128))),
                customer_id=customer,
                outcome=rng.choice(("approved", "declined")),
                amount_cents=rng.randint(0, 30_000),
                card_token=f"card-{rng.randint(1, 400)}",
                device_id=f"device-{rng.randint(1, 200)}",
                region=f"region-{rng.randint(0, 8)}",
                address_token=None if rng.random() < 0.02 else f"address-{customer}-{rng.randint(1, 4)}",
            ),
        )


def _purchases(count: int, rng: random.Random) -> Iterator[tuple[int, Event]]:
    for _ in range(count):
        event_ms = START_MS + 60_000 * 10 * rng.randrange(_PURCHASE_MINUTES // 10)
        cents = rng.choice((0, 0, 99, 100, rng.randint(100, 2000)))
        event_id = str(uuid.UUID(int=rng.getrandbits(128)))
        yield event_ms, purchase(event_ms, cents, event_id, rng.randint(1, 150), rng.choice((3000, 9900, 9901, 50_000)))


def _arrivals(events: Iterator[tuple[int, Event]], topic: str, rng: random.Random) -> Iterator[tuple[int, Record]]:
    for event_ms, event in events:
        late_ms = rng.randint(0, 8_000) if rng.random() < 0.98 else rng.randint(8_000, 120_000)
        for again in range(2 if rng.random() < 0.02 else 1):
            arrival_ms = event_ms + late_ms + 5_000 * again
            yield arrival_ms, _record(topic, event, arrival_ms)


def _record(topic: str, event: Event, arrival_ms: int) -> Record:
    key = str(event["customer_id"]).encode()
    headers = {"traceparent": traceparent(event)}
    return Record(topic, key, orjson.dumps(event), arrival_ms, headers)
