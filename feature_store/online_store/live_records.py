"""From a feature record in Kafka to what the live store keeps of it, or to a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
import structlog

from contracts.reasons import MAX_CLOCK_LEAD_SECONDS, Refusal, RejectReason
from contracts.topics_names import CUSTOMER_FEATURE, FEATURE_TOPICS, PRODUCT_FEATURE, SESSION_FEATURE, dlq_name
from contracts.validators.validate_kafka_event import MAX_DETAIL_CHARS, Validator
from feature_store.core.live_packing import minute_of, pack_customer_minute, pack_product_minute, pack_visit
from shared_utils.records import Received, Record
from shared_utils.time_utils import ms_of

log = structlog.get_logger(__name__)

TRIES: Final = 3
_HAPPENED: Final = {CUSTOMER_FEATURE: "event_time", PRODUCT_FEATURE: "event_time", SESSION_FEATURE: "session_end"}


class CustomerMinute(NamedTuple):
    """One customer in one epoch minute."""

    customer_id: int
    minute: int
    blob: bytes


class ProductMinute(NamedTuple):
    """One product in one epoch minute; `activity` = views + adds + purchases."""

    product_id: int
    minute: int
    blob: bytes
    activity: int


class Visit(NamedTuple):
    """One closed visit of a customer."""

    customer_id: int
    blob: bytes


LiveUpdate = CustomerMinute | ProductMinute | Visit


class Judged(NamedTuple):
    """A batch parted: `updates` belong to `accepted`, in its order; each record is on exactly one side."""

    accepted: list[Received]
    updates: list[LiveUpdate]
    refused: list[tuple[Received, Refusal]]


class Judge:
    """The contracts' verdict on feature records, and the clock rule of the streams."""

    def __init__(self) -> None:
        self._validators = {topic: Validator(topic) for topic in FEATURE_TOPICS}

    def part(self, records: Sequence[Received]) -> Judged:
        """Part a batch into what is stored and what is refused."""
        judged = Judged([], [], [])
        for record in records:
            refusal = self._validators[record.topic].reason(record.value)
            if refusal is None:
                event = orjson.loads(record.value or b"")
                refusal = _from_future(record, event)
            update = refusal or _update_or_refusal(record, event)
            if isinstance(update, Refusal):
                judged.refused.append((record, update))
            else:
                judged.accepted.append(record)
                judged.updates.append(update)
        return judged


def _update_or_refusal(record: Received, event: Any) -> LiveUpdate | Refusal:
    """What the store keeps of a valid record; a record on which that fails must not stop those behind it."""
    for attempt in range(1, TRIES + 1):
        try:
            return update_of(record, event)
        except Exception as exc:
            log.warning("feature_poison", topic=record.topic, offset=record.offset, attempt=attempt, error=repr(exc))
            detail = f"{TRIES} tries: {exc!r}"[:MAX_DETAIL_CHARS]
    return Refusal(RejectReason.PROCESSING, detail)


def update_of(record: Received, event: Any = None) -> LiveUpdate:
    """What the live store keeps of an accepted record (`event`: its parsed value, where the caller has it)."""
    event = orjson.loads(record.value or b"") if event is None else event
    arrival_ms, offset = record.timestamp_ms or 0, record.offset
    if record.topic == CUSTOMER_FEATURE:
        blob = pack_customer_minute(event, arrival_ms, offset, record.headers.get("traceparent"))
        return CustomerMinute(event["customer_id"], minute_of(event), blob)
    if record.topic == PRODUCT_FEATURE:
        activity = event["views"] + event["adds"] + event["purchases"]
        blob = pack_product_minute(event, arrival_ms, offset)
        return ProductMinute(event["product_id"], minute_of(event), blob, activity)
    return Visit(event["customer_id"], pack_visit(event, arrival_ms, offset))


def letter(record: Received, refusal: Refusal) -> Record:
    """The refused record for `<topic>.dlq`: its bytes and headers as received, and why it was refused."""
    why = {
        "reason": refusal.reason.value,
        "detail": refusal.detail,
        "source_topic": record.topic,
        "source_partition": str(record.partition),
        "source_offset": str(record.offset),
        "source_timestamp_ms": "" if record.timestamp_ms is None else str(record.timestamp_ms),
    }
    headers = {**record.headers, **{name: text.encode() for name, text in why.items()}}
    return Record(dlq_name(record.topic), record.key, record.value, None, headers)


def _from_future(record: Received, event: Any) -> Refusal | None:
    """A minute of the future would push the present out of the store. A visit is over a gap after its last event."""
    if record.timestamp_ms is None:
        return None
    lead_seconds = (ms_of(event[_HAPPENED[record.topic]]) - record.timestamp_ms) / 1000
    if lead_seconds <= MAX_CLOCK_LEAD_SECONDS:
        return None
    return Refusal(RejectReason.FUTURE, f"{_HAPPENED[record.topic]} is {lead_seconds:.0f} s ahead of arrival")
