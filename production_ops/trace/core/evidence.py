"""What was recorded of a click, as the readers bring it. All instants are epoch milliseconds, UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from shared_utils.records import Received

_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
TRACEPARENT: Final = "traceparent"


class TraceContext(NamedTuple):
    """The ids of a W3C `traceparent`."""

    trace_id: str
    span_id: str


def trace_context(header: bytes | None) -> TraceContext | None:
    """The ids in a header; None where there is no header, or none that W3C allows."""
    match = _TRACEPARENT.fullmatch(header or b"")
    if match is None or not match[1].strip(b"0") or not match[2].strip(b"0"):
        return None
    return TraceContext(match[1].decode(), match[2].decode())


class Place(NamedTuple):
    """Partition and offset in a topic."""

    partition: int
    offset: int


def place_of(record: Received) -> Place:
    """Where a record lies in its topic."""
    return Place(record.partition, record.offset)


@dataclass(frozen=True, slots=True)
class Archived:
    """What a bronze table holds of a topic: when each asked place was taken in, and how far each partition is in it.

    `missing` says why nothing could be read.
    """

    ingest_ms: Mapping[Place, int] = field(default_factory=dict)
    last_offset: Mapping[int, int] = field(default_factory=dict)
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class HeldMinute:
    """What Redis holds of a customer's minute now."""

    version: int
    offset: int
    last_event_id: str


@dataclass(frozen=True, slots=True)
class Held:
    """What Redis answers now: the minute, or nothing; `missing` says why it could not be asked."""

    minute: HeldMinute | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the join needs for one click.

    `arrivals`: the click's own records. The features and decisions are all those of its customer (and product), in any
    order. `fate`: what the lake says of the click's first arrival, None where it says nothing.
    """

    arrivals: Sequence[Received]
    customer_features: Sequence[Received] = ()
    product_features: Sequence[Received] = ()
    decisions: Sequence[Received] = ()
    archived: Mapping[str, Archived] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    fate: str | None = None
    timestamp_types: Mapping[str, str] = field(default_factory=dict)
    missing_topics: Mapping[str, str] = field(default_factory=dict)
