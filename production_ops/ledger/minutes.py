"""What the minute features must sum to: brute force over the records as they lie in Kafka.

Grain: an entity and a minute of event time. The rules are those that `features.customer.v1` and `features.product.v1`
promise, written once more: accepted events, the first of an id, impressions, checkouts and a product's removes in no
count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, TRANSACTION
from production_ops.ledger.placing import Placed

Json = dict[str, Any]

SUMS: Final[Mapping[str, tuple[str, ...]]] = {
    CUSTOMER_FEATURE: ("views", "adds", "removes", "searches", "purchases", "spend_cents"),
    PRODUCT_FEATURE: ("views", "adds", "purchases", "spend_cents"),
}
ENTITY: Final[Mapping[str, str]] = {CUSTOMER_FEATURE: "customer_id", PRODUCT_FEATURE: "product_id"}
_FIELD_OF_ACTION: Final = {"view": "views", "add": "adds", "remove": "removes", "search": "searches"}
_TOUCHES: Final = ("view", "add")
_BOM: Final = b"\xef\xbb\xbf"

Touch = tuple[int, str, str]
"""Product, event time, action."""


class MinuteKey(NamedTuple):
    """One record's place: feature topic, entity, the minute's first instant."""

    topic: str
    entity: int
    bucket: str


@dataclass(slots=True)
class Minute:
    """What a minute must hold. `ids` are the events in it, in the order of their partition, as often as they count.

    `slipped`: a refused event was counted in it too, at a place in its order that is not known.
    """

    sums: dict[str, int]
    latest: str = ""
    ids: list[str] = field(default_factory=list)
    touches: list[tuple[Touch, str]] = field(default_factory=list)
    slipped: bool = False

    def add(self, counted: Counted) -> None:
        """Count one contribution of an event."""
        self.sums[counted.field] += 1
        if counted.cents:
            self.sums["spend_cents"] += counted.cents
        self.latest = max(self.latest, counted.event_time)
        self.ids.append(counted.event_id)
        if counted.touch:
            self.touches.append((counted.touch, counted.event_id))


@dataclass(frozen=True, slots=True)
class Counted:
    """One contribution of an event to one minute."""

    key: MinuteKey
    event_id: str
    event_time: str
    field: str
    cents: int = 0
    touch: Touch | None = None


def accepted(placed: Iterable[Placed]) -> Iterator[tuple[str, Json]]:
    """Topic and payload of the events that count: those meant for silver or late, which the first of an id is."""
    for item in placed:
        if item.seen.topic in (CLICK, TRANSACTION) and item.fate in ("silver", "late"):
            yield item.seen.topic, orjson.loads(item.seen.value or b"")


def expected_minutes(events: Iterable[tuple[str, Json]]) -> dict[MinuteKey, Minute]:
    """Every minute that must be in the feature topics, exactly."""
    minutes: dict[MinuteKey, Minute] = {}
    for topic, event in events:
        for counted in contributions(topic, event):
            add_to(minutes, counted)
    return minutes


def add_to(minutes: dict[MinuteKey, Minute], counted: Counted) -> None:
    """Count one contribution where it belongs."""
    if counted.key not in minutes:
        minutes[counted.key] = Minute(dict.fromkeys(SUMS[counted.key.topic], 0))
    minutes[counted.key].add(counted)


def contributions(topic: str, event: Mapping[str, Any]) -> Iterator[Counted]:
    """What one event adds, and to which minutes."""
    event_id, time = str(event["event_id"]), str(event["event_time"])
    bucket = f"{time[:16]}:00.000Z"
    customer = MinuteKey(CUSTOMER_FEATURE, int(event["customer_id"]), bucket)
    if topic == TRANSACTION:
        yield Counted(customer, event_id, time, "purchases", int(event["total_cents"]))
        for line in event["lines"]:
            product = MinuteKey(PRODUCT_FEATURE, int(line["product_id"]), bucket)
            yield Counted(product, event_id, time, "purchases", int(line["sales_cents"]))
        return
    action = event["action"]
    if action not in _FIELD_OF_ACTION:
        return
    name = _FIELD_OF_ACTION[action]
    if action not in _TOUCHES:
        yield Counted(customer, event_id, time, name)
        return
    yield Counted(customer, event_id, time, name, touch=(int(event["product_id"]), time, action))
    yield Counted(MinuteKey(PRODUCT_FEATURE, int(event["product_id"]), bucket), event_id, time, name)


def read_leniently(value: bytes | None) -> Json | None:
    """The event that a reader without the contract sees in refused bytes, or None."""
    text = (value or b"").removeprefix(_BOM)
    for end in (len(text), len(text) // 2):  # two documents, one after the other
        try:
            event = orjson.loads(text[:end])
        except orjson.JSONDecodeError:
            continue
        while isinstance(event, list) and event:
            event = event[0]
        return event if isinstance(event, dict) else None
    return None
