"""A small healthy run as the ledger reads it: truth, topics, lake and features, each built without the ledger's code.

The feature records are those of a job that counts each event once and sends the minute's state with it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.topics_names import (
    CLICK,
    CUSTOMER_FEATURE,
    PRODUCT_FEATURE,
    SESSION_FEATURE,
    TRANSACTION,
    dlq_name,
    late_name,
)
from data_sources.malformed import malformations
from production_ops.ledger.model import Coordinate, Evidence, Row, Seen, Sent
from shared_utils.records import Received
from tests.fakes import flink_world
from tests.fakes.flink_world import MINUTE_MS, Json, expect, from_iso, iso

LATENESS_MS = 2 * 60 * MINUTE_MS
SESSION_LATENESS_MS = 900_000
PARTITIONS = 2
_PLURALS = {"view": "views", "add": "adds", "remove": "removes", "search": "searches"}


@dataclass
class LedgerWorld:
    """Evidence that a test may spoil before it makes the ledger of it."""

    sent: list[Sent] = field(default_factory=list)
    topics: dict[str, list[Seen]] = field(default_factory=dict)
    bronze: dict[str, list[Row]] = field(default_factory=dict)
    ends: list[tuple[Coordinate, str]] = field(default_factory=list)
    archived: dict[str, list[Row]] = field(default_factory=dict)

    def evidence(self) -> Evidence:
        return Evidence(self.sent, self.topics, self.bronze, self.ends, self.archived)

    def put(self, topic: str, key: str, value: bytes | None, arrival_ms: int, **headers: str) -> Seen:
        """Append a record to its topic; of one key all lie in one partition."""
        lying = self.topics.setdefault(topic, [])
        partition = int(key) % PARTITIONS
        offset = sum(seen.partition == partition for seen in lying)
        encoded = {name: text.encode() for name, text in headers.items()}
        number = int(headers["spool_id"]) if "spool_id" in headers else None
        seen = Seen(topic, partition, offset, arrival_ms, key.encode(), value, encoded, number)
        lying.append(seen)
        return seen

    def states(self, topic: str) -> list[Json]:
        return [json.loads(seen.value or b"") for seen in self.topics[topic]]

    def event_id(self, topic: str, fate: str = "silver", skip: int = 20) -> str:
        """The id of some event of that fate, well inside the run."""
        ids = [sent.event_id for sent in self.sent if sent.topic == topic and sent.fate == fate]
        return str(ids[min(skip, len(ids) - 1)])

    def seen_of(self, event_id: str) -> Seen:
        (number,) = (s.number for s in self.sent if s.event_id == event_id and s.fate != "duplicate")
        return next(seen for seen in [*self.topics[CLICK], *self.topics[TRANSACTION]] if seen.number == number)


def build(clicks: int = 700, *, seed: int = 3, features: bool = True, slipped: Sequence[str] = ()) -> LedgerWorld:
    """A healthy run. `slipped`: kinds of malformed clicks that its feature job counts."""
    world = LedgerWorld()
    rng = random.Random(seed)
    made = flink_world.make(clicks, seed=seed, customers=30)
    taken: set[tuple[str, str]] = set()
    counted: list[tuple[str, Json, int]] = []
    for record in made.records:
        event, arrival = json.loads(record.value or b""), record.timestamp_ms or 0
        event_id = (record.topic, event["event_id"])
        late = arrival - from_iso(event["event_time"]) > LATENESS_MS
        fate = "duplicate" if event_id in taken else "late" if late else "silver"
        if fate != "duplicate":
            counted.append((record.topic, event, arrival))
        taken.add(event_id)
        _send(world, record.topic, event, record.value, arrival, fate)
    last_ms = made.records[-1].timestamp_ms or 0
    for topic, valid in ((CLICK, flink_world.click), (TRANSACTION, flink_world.basket)):
        for kind in malformations(topic):
            event = valid(rng, rng.randint(1, 30), last_ms - 5_000)
            fate = f"quarantine:{kind.reason}"
            _send(world, topic, event, kind.spoil(event), last_ms, fate, kind.name)
            if kind.name in slipped:
                counted.append((topic, event, last_ms))
    for record in flink_world.closing(made):
        event, arrival = json.loads(record.value or b""), record.timestamp_ms or 0
        counted.append((record.topic, event, arrival))
        _send(world, record.topic, event, record.value, arrival, "silver")
    for topic in (CLICK, TRANSACTION):
        world.bronze[topic] = [Row(seen.coordinate, seen.value) for seen in world.topics[topic]]
    if features:
        _emit_features(world, counted)
        _emit_visits(world)
        for topic in (CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE):
            world.archived[topic] = [Row(seen.coordinate, seen.value) for seen in world.topics[topic]]
    return world


def _send(
    world: LedgerWorld, topic: str, event: Json, value: bytes | None, arrival_ms: int, fate: str, fault: str = "none"
) -> None:
    number = len(world.sent)
    world.sent.append(Sent(number, topic, event["event_id"], fate, fault))
    seen = world.put(topic, str(event["customer_id"]), value, arrival_ms, spool_id=str(number))
    world.ends.append((seen.coordinate, fate))
    if fate.startswith("quarantine:"):
        origin = {"source_partition": str(seen.partition), "source_offset": str(seen.offset)}
        world.put(dlq_name(topic), "0", value, arrival_ms, reason=fate.partition(":")[2], **origin)


def _emit_features(world: LedgerWorld, counted: Sequence[tuple[str, Json, int]]) -> None:
    states: dict[tuple[str, int, str], Json] = {}
    for topic, event, arrival in counted:
        for feature, entity, action, cents in _parts(topic, event):
            bucket = iso(from_iso(event["event_time"]) // MINUTE_MS * MINUTE_MS)
            state = states.setdefault((feature, entity, bucket), _empty(feature, entity, bucket))
            state["version"] += 1
            state["event_time"] = max(state["event_time"], event["event_time"])
            state["last_event_id"] = event["event_id"]
            state[_PLURALS.get(action, "purchases")] += 1
            state["spend_cents"] += cents
            if feature == CUSTOMER_FEATURE and action in ("view", "add"):
                touch = {"product_id": event["product_id"], "event_time": event["event_time"], "action": action}
                state["products"].append(touch)
            world.put(feature, str(entity), json.dumps(state).encode(), arrival)


def _parts(topic: str, event: Json) -> list[tuple[str, int, str, int]]:
    if topic == TRANSACTION:
        lines = [(PRODUCT_FEATURE, line["product_id"], "purchase", line["sales_cents"]) for line in event["lines"]]
        return [(CUSTOMER_FEATURE, event["customer_id"], "purchase", event["total_cents"]), *lines]
    action = event["action"]
    parts = [(CUSTOMER_FEATURE, event["customer_id"], action, 0)] if action in _PLURALS else []
    return parts + ([(PRODUCT_FEATURE, event["product_id"], action, 0)] if action in ("view", "add") else [])


def _empty(feature: str, entity: int, bucket: str) -> Json:
    of_customer = {"removes": 0, "searches": 0, "products": []} if feature == CUSTOMER_FEATURE else {}
    name = "customer_id" if feature == CUSTOMER_FEATURE else "product_id"
    sums = dict.fromkeys(("version", "views", "adds", "purchases", "spend_cents"), 0)
    return {name: entity, "bucket_start": bucket, "event_time": "", **sums, **of_customer}


def _emit_visits(world: LedgerWorld) -> None:
    received = [
        Received(s.topic, s.key, s.value, s.timestamp_ms, s.headers, s.partition, s.offset) for s in world.topics[CLICK]
    ]
    last_ms = max(seen.timestamp_ms for seen in world.topics[CLICK])
    closed_ms = last_ms - SESSION_LATENESS_MS - 1_000
    expected = expect(received, lateness_ms=SESSION_LATENESS_MS, closed_before_ms=closed_ms)
    names = ("customer_id", "session_start", "session_end", "event_time", "events", "searches", "impressions", "views",
             "adds", "removes", "products", "categories", "duration_seconds", "converted")  # fmt: skip
    for row in sorted(expected.sessions, key=str):
        visit: dict[str, Any] = dict(zip(names, row, strict=True))
        world.put(SESSION_FEATURE, str(visit["customer_id"]), json.dumps(visit).encode(), last_ms)
    for event_id in sorted(expected.late_ids):
        world.put(late_name(CLICK), "0", json.dumps({"event_id": event_id}).encode(), last_ms)
