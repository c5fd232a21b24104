"""Contract-valid feature events and records, as the live path's jobs send them."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from contracts.topics_names import CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE
from feature_store.core.live_packing import minute_of, pack_customer_minute, unpack_customer_minutes
from feature_store.core.live_windows import CustomerMinutes
from shared_utils.records import Received, Record
from shared_utils.time_utils import ms_of, to_rfc3339

NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
CATEGORY_OF: Final = {1: 10, 2: 10, 3: 11, 4: 12, 5: 0, 6: 13}
"""Product to category; 5 is unlisted, 7 and 8 are not in the table."""
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Event = dict[str, Any]


def touch(product_id: int, at: datetime, action: str = "view") -> dict[str, Any]:
    return {"product_id": product_id, "event_time": to_rfc3339(at), "action": action}


def customer_event(
    customer_id: int, minute: datetime, *, version: int = 1, products: Iterable[Event] = (), **counts: int
) -> Event:
    zero = dict.fromkeys(("views", "adds", "removes", "searches", "purchases", "spend_cents"), 0)
    return {
        "customer_id": customer_id,
        "bucket_start": to_rfc3339(minute),
        "version": version,
        "event_time": to_rfc3339(minute + timedelta(seconds=41)),
        "last_event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{customer_id}{minute}{version}")),
        **zero,
        **counts,
        "products": list(products),
    }


def product_event(product_id: int, minute: datetime, *, version: int = 1, **counts: int) -> Event:
    zero = dict.fromkeys(("views", "adds", "purchases", "spend_cents"), 0)
    return {
        "product_id": product_id,
        "bucket_start": to_rfc3339(minute),
        "version": version,
        "event_time": to_rfc3339(minute + timedelta(seconds=41)),
        "last_event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"p{product_id}{minute}{version}")),
        **zero,
        **counts,
    }


def visit_event(customer_id: int, start: datetime, *, seconds: int = 60, **counts: int) -> Event:
    zero = dict.fromkeys(("searches", "impressions", "views", "adds", "removes", "products", "categories"), 0)
    end = start + timedelta(seconds=seconds)
    return {
        "customer_id": customer_id,
        "session_start": to_rfc3339(start),
        "session_end": to_rfc3339(end),
        "event_time": to_rfc3339(end + timedelta(minutes=30)),
        "events": 3,
        **zero,
        **counts,
        "duration_seconds": float(seconds),
        "converted": False,
    }


def record(topic: str, event: Event, *, arrival: datetime | None = None) -> Record:
    key = str(event["product_id"] if topic == PRODUCT_FEATURE else event["customer_id"]).encode()
    at = ms_of(event["event_time"]) if arrival is None else ms_of(to_rfc3339(arrival))
    headers = {} if topic == SESSION_FEATURE else {"traceparent": TRACE.encode()}
    return Record(topic, key, json.dumps(event).encode(), at, headers)


def received(sent: Record, offset: int, partition: int = 0) -> Received:
    return Received(sent.topic, sent.key, sent.value, sent.timestamp_ms, sent.headers, partition, offset)


def minutes_of(events: Sequence[Event]) -> CustomerMinutes:
    """The events as a reader holds them."""
    return unpack_customer_minutes({minute_of(e): pack_customer_minute(e, 0, 0, None) for e in events})


def history(
    seed: int, *, customers: int = 40, products: int = 60, minutes: int = 30, versions: int = 4
) -> list[Record]:
    """A deterministic stretch of shopping: every minute grows version by version, visits are corrected once."""
    random_ = random.Random(seed)
    sent: list[Record] = []
    for customer in range(1, customers + 1):
        for minute in sorted(random_.sample(range(minutes), random_.randint(1, 6))):
            start = NOON + timedelta(minutes=minute)
            seen: list[Event] = []
            for version in range(1, random_.randint(1, versions) + 1):
                seen.append(touch(random_.randint(1, products), start + timedelta(seconds=random_.randint(0, 59))))
                event = customer_event(customer, start, version=version, views=version, products=list(seen))
                sent.append(record(CUSTOMER_FEATURE, event))
        start = NOON + timedelta(minutes=random_.randint(0, minutes))
        sent.append(record(SESSION_FEATURE, visit_event(customer, start, views=1)))
        corrected = visit_event(customer, start, views=2)
        later = datetime.fromisoformat(corrected["event_time"]) + timedelta(seconds=5)
        sent.append(record(SESSION_FEATURE, corrected, arrival=later))
    for product in range(1, products + 1):
        for minute in sorted(random_.sample(range(minutes), random_.randint(1, 4))):
            start = NOON + timedelta(minutes=minute)
            for version in range(1, random_.randint(1, versions) + 1):
                event = product_event(product, start, version=version, views=version, spend_cents=100 * version)
                sent.append(record(PRODUCT_FEATURE, event))
    return sent
