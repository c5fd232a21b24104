"""A small shop for the Flink jobs: seeded clicks and baskets with every disorder, and what must come of them.

The expectation is brute force over the records as they lie in Kafka (partition, offset, timestamp), with the contract's
own validator: nothing of it is shared with the jobs' SQL.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from contracts.topics_names import CLICK, TRANSACTION
from contracts.validators.validate_kafka_event import Validator
from shared_utils.records import Received, Record

BASE_MS = 1_790_000_000_000
MINUTE_MS = 60_000
GAP_MS = 30 * MINUTE_MS
FUTURE_MS = 5 * MINUTE_MS
ACTIONS = ("view",) * 6 + ("impression",) * 5 + ("add",) * 2 + ("search", "remove", "checkout")
# Distances between neighbours: inside a visit, at its very edge, and beyond.
STEPS_MS = (1, 900, 20_000, 70_000, 9 * MINUTE_MS, 25 * MINUTE_MS, GAP_MS - 1, GAP_MS, GAP_MS + 1, 50 * MINUTE_MS)
STEP_WEIGHTS = (2, 6, 20, 10, 4, 2, 1, 1, 1, 2)
PRODUCTS = 300
CATEGORIES = {
    product: f'category {product % 17}, "{product % 5}"' for product in range(1, PRODUCTS + 1) if product % 11
}
Json = dict[str, Any]


def iso(ms: int) -> str:
    """An instant as the contracts write it."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def from_iso(text: str) -> int:
    """Epoch milliseconds of a contract instant."""
    whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1000 + int(text[20:23])


@dataclass(frozen=True)
class World:
    """Records in the order of their arrival."""

    records: Sequence[Record]


def click(rng: random.Random, customer: int, event_ms: int, action: str | None = None) -> Json:
    """A valid click."""
    action = action or rng.choice(ACTIONS)
    bare = action in ("search", "checkout")
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "event_time": iso(event_ms),
        "session_id": f"s{customer}",
        "customer_id": customer,
        "action": action,
        "product_id": None if bare else rng.randint(1, PRODUCTS),
        "position": rng.randint(1, 40) if action == "impression" else None,
        "query": 'milk, "whole" \u00fc' if action == "search" else None,
        "basket_id": rng.randint(1, 10**9) if action == "checkout" else None,
        "page": "product",
        "device_type": "mobile",
    }


def basket(rng: random.Random, customer: int, event_ms: int) -> Json:
    """A valid basket; a product may stand on two lines."""
    lines = [
        {
            "line_number": number,
            "product_id": rng.randint(1, 20),
            "quantity": 1,
            "sales_cents": rng.randint(0, 2_000),
            "retail_discount_cents": 0,
            "coupon_discount_cents": 0,
            "coupon_match_discount_cents": 0,
        }
        for number in range(1, rng.randint(2, 6))
    ]
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "event_time": iso(event_ms),
        "basket_id": rng.randint(1, 10**9),
        "customer_id": customer,
        "store_id": 1,
        "channel": "web",
        "currency": "USD",
        "total_cents": sum(line["sales_cents"] for line in lines),
        "lines": lines,
    }


def traceparent(event: Json) -> bytes:
    """The header of an event."""
    digits = event["event_id"].replace("-", "")
    return f"00-{digits}-{digits[:16]}-01".encode()


def is_next_span(header: bytes, parent: bytes) -> bool:
    """Whether a header goes on with its parent's trace, in a span of its own."""
    (version, trace, span, flags), (_, of_trace, of_span, _) = header.split(b"-"), parent.split(b"-")
    return (version, trace, flags, len(span)) == (b"00", of_trace, b"01", 16) and span != of_span


def record(topic: str, event: Json, arrival_ms: int) -> Record:
    """The event as a Kafka record."""
    headers = {"traceparent": traceparent(event), "schema_version": b"1"}
    return Record(topic, str(event["customer_id"]).encode(), json.dumps(event).encode(), arrival_ms, headers)


def make(clicks: int, *, seed: int = 7, customers: int = 400, span_ms: int = 6 * 60 * MINUTE_MS) -> World:
    """Clicks and a tenth as many baskets: jittered, out of order, repeated (2 %), too late for their visit (1 %)."""
    rng = random.Random(seed)
    arrivals: list[tuple[int, int, str, Json]] = []
    clock = {customer: BASE_MS + rng.randrange(span_ms) for customer in range(1, customers + 1)}
    for number in range(clicks):
        customer = rng.randint(1, customers)
        clock[customer] += rng.choices(STEPS_MS, STEP_WEIGHTS)[0]
        event = click(rng, customer, clock[customer])
        arrival = clock[customer] + _delay(rng)
        arrivals.append((arrival, number, CLICK, event))
        if rng.random() < 0.02:
            arrivals.append((arrival + rng.randint(1, 40 * MINUTE_MS), number, CLICK, event))
        if rng.random() < 0.1:
            sold = basket(rng, customer, clock[customer] + rng.randint(-300_000, 0))
            arrivals.append((clock[customer] + _delay(rng), number, TRANSACTION, sold))
            if rng.random() < 0.02:
                arrivals.append((arrival + rng.randint(1, MINUTE_MS), number, TRANSACTION, sold))
    arrivals.sort(key=lambda entry: entry[:2])
    return World([record(topic, event, arrival) for arrival, _, topic, event in arrivals])


def closing(world: World) -> list[Record]:
    """Clicks that come long after all others, some to each partition: the watermark passes the end of every visit."""
    rng = random.Random(0)
    end_ms = max(r.timestamp_ms or 0 for r in world.records) + 24 * 60 * MINUTE_MS
    return [record(CLICK, click(rng, 900_000 + n, end_ms, "impression"), end_ms) for n in range(40)]


def _delay(rng: random.Random) -> int:
    draw = rng.random()
    if draw < 0.01:
        return rng.randint(14 * MINUTE_MS, 180 * MINUTE_MS)  # around and beyond the lateness of the visits
    return rng.randint(40, 1_500) if draw < 0.9 else rng.randint(1_000, 12 * MINUTE_MS)


@dataclass
class Expected:
    """What the jobs must write for the records of the shop's topics."""

    in_time: dict[int, list[Json]] = field(default_factory=lambda: defaultdict(list))
    sessions: set[tuple[object, ...]] = field(default_factory=set)
    late_ids: set[str] = field(default_factory=set)
    click_ids: set[str] = field(default_factory=set)
    customers: dict[tuple[int, str], Json] = field(default_factory=dict)
    products: dict[tuple[int, str], Json] = field(default_factory=dict)
    traces: dict[str, bytes] = field(default_factory=dict)


def expect(received: Iterable[Received], *, lateness_ms: int, closed_before_ms: int) -> Expected:
    """Brute force. Visits that end at `closed_before_ms` or later are still open and left out."""
    expected = Expected()
    latest: dict[int, int] = defaultdict(int)
    validators = {topic: Validator(topic) for topic in (CLICK, TRANSACTION)}
    seen: set[tuple[str, str]] = set()
    for item in sorted(received, key=lambda r: (r.topic, r.partition, r.offset)):
        arrival_ms = item.timestamp_ms or 0
        if validators[item.topic].reason(item.value) is not None:
            continue
        if item.topic == CLICK:
            latest[item.partition] = max(latest[item.partition], arrival_ms)
        event = json.loads(item.value or b"")
        event_ms = from_iso(event["event_time"])
        if event_ms > arrival_ms + FUTURE_MS or (item.topic, event["event_id"]) in seen:
            continue
        seen.add((item.topic, event["event_id"]))
        expected.traces[event["event_id"]] = item.headers.get("traceparent", b"")
        if item.topic == TRANSACTION:
            _count_basket(expected, event, event_ms)
            continue
        expected.click_ids.add(event["event_id"])
        _count_click(expected, event, event_ms)
        if event_ms <= latest[item.partition] - lateness_ms:
            expected.late_ids.add(event["event_id"])
        else:
            expected.in_time[event["customer_id"]].append({**event, "ms": event_ms})
    for customer, events in expected.in_time.items():
        for visit in visits(events):
            if visit[-1]["ms"] + GAP_MS < closed_before_ms:
                expected.sessions.add(session_row(customer, visit))
    return expected


def with_products(states: dict[tuple[int, str], Json]) -> dict[tuple[int, str], Json]:
    """Customers' states with an empty list where no product was touched, as the features have it."""
    return {key: {**state, "products": state.get("products", [])} for key, state in states.items()}


def visits(events: list[Json], gap_ms: int = GAP_MS) -> list[list[Json]]:
    """Events of one customer cut where neighbours are the gap or more apart."""
    found: list[list[Json]] = []
    for event in sorted(events, key=lambda e: e["ms"]):
        if found and event["ms"] - found[-1][-1]["ms"] < gap_ms:
            found[-1].append(event)
        else:
            found.append([event])
    return found


def session_row(customer: int, visit: list[Json]) -> tuple[object, ...]:
    """The fields of a visit's record, in the contract's order."""
    count = {action: sum(e["action"] == action for e in visit) for action in set(ACTIONS)}
    touched = {e["product_id"] for e in visit if e["action"] in ("view", "add")}
    first, last = visit[0]["ms"], visit[-1]["ms"]
    return (
        customer,
        iso(first),
        iso(last),
        iso(last + GAP_MS),
        len(visit),
        *(count[action] for action in ("search", "impression", "view", "add", "remove")),
        len(touched),
        len({CATEGORIES[product] for product in touched if product in CATEGORIES}),
        (last - first) / 1000,
        count["checkout"] > 0,
    )


def _state(states: dict[tuple[int, str], Json], entity: int, event_ms: int, names: tuple[str, ...]) -> Json:
    bucket = iso(event_ms - event_ms % MINUTE_MS)
    return states.setdefault((entity, bucket), {"version": 0, "event_time": "", **dict.fromkeys(names, 0)})


def _add(state: Json, event_ms: int, **counts: int) -> None:
    state["version"] += 1
    state["event_time"] = max(state["event_time"], iso(event_ms))
    for name, amount in counts.items():
        state[name] += amount


_PLURALS: Mapping[str, str] = {"view": "views", "add": "adds", "remove": "removes", "search": "searches"}
_CUSTOMER = ("views", "adds", "removes", "searches", "purchases", "spend_cents")
_PRODUCT = ("views", "adds", "purchases", "spend_cents")


def _count_click(expected: Expected, event: Json, event_ms: int) -> None:
    action = event["action"]
    if action not in _PLURALS:
        return
    state = _state(expected.customers, event["customer_id"], event_ms, _CUSTOMER)
    _add(state, event_ms, **{_PLURALS[action]: 1})
    if action in ("view", "add"):
        touch = {"product_id": event["product_id"], "event_time": event["event_time"], "action": action}
        state.setdefault("products", []).append(touch)
        _add(_state(expected.products, event["product_id"], event_ms, _PRODUCT), event_ms, **{_PLURALS[action]: 1})


def _count_basket(expected: Expected, event: Json, event_ms: int) -> None:
    state = _state(expected.customers, event["customer_id"], event_ms, _CUSTOMER)
    _add(state, event_ms, purchases=1, spend_cents=event["total_cents"])
    for line in event["lines"]:
        state = _state(expected.products, line["product_id"], event_ms, _PRODUCT)
        _add(state, event_ms, purchases=1, spend_cents=line["sales_cents"])
