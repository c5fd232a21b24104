"""The records that a click leaves behind on its way to a decision, in the form in which the readers bring them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, RECOMMENDATION_DECISION
from production_ops.trace.core.evidence import Archived, Evidence, Held, HeldMinute, Place
from production_ops.trace.core.journey import Journey, journey
from shared_utils.records import Received
from shared_utils.time_utils import ms_of, to_rfc3339

NOON: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
CUSTOMER: Final = 7
PRODUCT: Final = 41
_ZERO: Final = dict.fromkeys(("views", "adds", "removes", "searches", "purchases", "spend_cents"), 0)
Event = dict[str, Any]


def at(seconds: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(seconds=seconds)


def ms(seconds: float) -> int:
    """So long after noon, in epoch milliseconds."""
    return ms_of(to_rfc3339(at(seconds)))


def click(name: str, seconds: float, action: str = "view", product_id: int | None = PRODUCT) -> Event:
    return {
        "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        "event_time": to_rfc3339(at(seconds)),
        "session_id": "s7",
        "customer_id": CUSTOMER,
        "action": action,
        "product_id": product_id,
        "position": None,
        "query": None,
        "basket_id": None,
        "page": "product",
        "device_type": "mobile",
    }


def traceparent(event: Event, span: str = "producer") -> bytes:
    """A trace for each event; a span for each record that is made of it."""
    trace = uuid.uuid5(uuid.NAMESPACE_URL, event["event_id"]).hex
    return f"00-{trace}-{uuid.uuid5(uuid.NAMESPACE_DNS, event['event_id'] + span).hex[:16]}-01".encode()


@dataclass
class Past:
    """What was recorded, told in order. Instants are seconds after noon."""

    clicks: list[tuple[Event, Received]] = field(default_factory=list)
    features: dict[str, list[Received]] = field(default_factory=lambda: {CUSTOMER_FEATURE: [], PRODUCT_FEATURE: []})
    decisions: list[Received] = field(default_factory=list)
    archived: dict[str, Archived] = field(default_factory=dict)
    held: Held = field(default_factory=Held)

    def arrives(self, event: Event, seconds: float, *, traced: bool = True) -> None:
        """The click reaches Kafka."""
        headers = {"traceparent": traceparent(event)} if traced else {}
        self.clicks.append((event, self._record(CLICK, event, seconds, headers, len(self.clicks))))

    def counted(
        self, event: Event, seconds: float, version: int, *, topic: str = CUSTOMER_FEATURE, traced: bool = True,
        stood: float | None = None,
    ) -> None:  # fmt: skip
        """Flink sends the minute's newest state, and the writer puts and archives it at `stood`."""
        sent = self.features[topic]
        minute = event["event_time"][:17] + "00.000Z"
        value = {
            "customer_id" if topic == CUSTOMER_FEATURE else "product_id": CUSTOMER,
            "bucket_start": minute,
            "version": version,
            "event_time": event["event_time"],
            "last_event_id": event["event_id"],
            **_ZERO,
        }
        if topic == CUSTOMER_FEATURE:
            touch = {name: event[name] for name in ("product_id", "event_time", "action")}
            value["products"] = [touch] if event["action"] in ("view", "add") else []
        headers = {"traceparent": traceparent(event, topic)} if traced else {}
        sent.append(self._record(topic, value, seconds, headers, len(sent)))
        if stood is not None:
            before = self.archived.get(topic, Archived())
            place = Place(0, sent[-1].offset)
            last = max(place.offset, before.last_offset.get(0, -1))
            self.archived[topic] = Archived({**before.ingest_ms, place: ms(stood)}, {0: last})

    def decides(
        self, read: float, newest: Event | None, *, header: bytes | None = None, done: float | None = None
    ) -> None:
        """Serving reads live features whose newest event is `newest`, and answers 0.01 s later."""
        seconds = read + 0.01 if done is None else done
        value = {
            "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"decision {len(self.decisions)}")),
            "event_time": to_rfc3339(at(seconds)),
            "request_id": f"request-{len(self.decisions)}",
            "customer_id": CUSTOMER,
            "live_as_of": newest and to_rfc3339(at(read)),
            "live_event_id": newest and newest["event_id"],
        }
        own = uuid.uuid5(uuid.NAMESPACE_OID, f"root {len(self.decisions)}").hex
        header = header or (traceparent(newest, "decision") if newest else f"00-{own}-{own[:16]}-01".encode())
        record = self._record(RECOMMENDATION_DECISION, value, seconds, {"traceparent": header}, len(self.decisions))
        self.decisions.append(record)

    def holds(self, event: Event, version: int, offset: int = 0) -> None:
        """What Redis answers now for the minute of the click."""
        self.held = Held(HeldMinute(version, offset, event["event_id"]))

    def evidence_of(self, event: Event) -> Evidence:
        return Evidence(
            arrivals=[record for each, record in self.clicks if each["event_id"] == event["event_id"]],
            customer_features=self.features[CUSTOMER_FEATURE],
            product_features=self.features[PRODUCT_FEATURE],
            decisions=self.decisions,
            archived=self.archived,
            held=self.held,
            timestamp_types=dict.fromkeys((CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE), "CreateTime"),
        )

    def journey_of(self, event: Event) -> Journey:
        return journey(self.evidence_of(event))

    @staticmethod
    def _record(topic: str, value: Event, seconds: float, headers: dict[str, bytes], offset: int) -> Received:
        return Received(topic, b"7", json.dumps(value).encode(), ms(seconds), headers, 0, offset)
