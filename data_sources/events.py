"""A columnar batch of events on their way to Kafka, and the seeded ids and random streams behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from data_sources.arrays import Ints

SILVER = "silver"
LATE = "late"
DUPLICATE = "duplicate"
NO_FAULT = "none"


@dataclass
class Events:
    """Events of one or more topics, one list entry an event; the entries of all lists belong together.

    `values` are the bytes to send (None = tombstone). `fates` and `faults` are the truth about each event: where it is
    meant to end and which fault was planted. Units: epoch milliseconds, UTC.
    """

    topics: list[str]
    keys: list[str]
    values: list[bytes | None]
    event_ids: list[str | None]
    traces: list[str]
    event_ms: Ints
    arrival_ms: Ints
    fates: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fates = self.fates or [SILVER] * len(self)
        self.faults = self.faults or [NO_FAULT] * len(self)

    def __len__(self) -> int:
        return len(self.topics)

    def take(self, rows: Sequence[int] | Ints) -> Events:
        """The events at `rows`, in that order, as a new batch."""
        order = np.asarray(rows, dtype=np.int64)
        picked = order.tolist()
        return Events(
            topics=[self.topics[i] for i in picked],
            keys=[self.keys[i] for i in picked],
            values=[self.values[i] for i in picked],
            event_ids=[self.event_ids[i] for i in picked],
            traces=[self.traces[i] for i in picked],
            event_ms=self.event_ms[order],
            arrival_ms=self.arrival_ms[order],
            fates=[self.fates[i] for i in picked],
            faults=[self.faults[i] for i in picked],
        )

    def by_arrival(self) -> Events:
        """The events in the order in which they arrive; equal arrivals keep their order."""
        return self.take(np.argsort(self.arrival_ms, kind="stable"))


def concat(batches: Iterable[Events]) -> Events:
    """One batch of all events, in the order given."""
    parts = list(batches)
    return Events(
        topics=[x for p in parts for x in p.topics],
        keys=[x for p in parts for x in p.keys],
        values=[x for p in parts for x in p.values],
        event_ids=[x for p in parts for x in p.event_ids],
        traces=[x for p in parts for x in p.traces],
        event_ms=np.concatenate([p.event_ms for p in parts]),
        arrival_ms=np.concatenate([p.arrival_ms for p in parts]),
        fates=[x for p in parts for x in p.fates],
        faults=[x for p in parts for x in p.faults],
    )


def build(
    topic: str,
    payloads: list[dict[str, object]],
    keys: Ints,
    event_ms: Ints,
    arrival_ms: Ints,
    trace_seeds: Iterable[str],
) -> Events:
    """Events of `topic` whose values are `payloads` as JSON; each payload holds its `event_id`."""
    event_ids = [str(payload["event_id"]) for payload in payloads]
    return Events(
        topics=[topic] * len(payloads),
        keys=[str(key) for key in keys.tolist()],
        values=[orjson.dumps(payload) for payload in payloads],
        event_ids=list(event_ids),
        traces=list(map(traceparent, event_ids, trace_seeds)),
        event_ms=event_ms,
        arrival_ms=arrival_ms,
    )


def traceparent(event_id: str, trace_seed: str) -> str:
    """A W3C trace context: one trace for all events with the same seed (a visit, a basket), one span an event."""
    return f"00-{_digest('trace:' + trace_seed)}-{event_id[:8]}{event_id[-8:]}-01"


def uuid_of(name: str) -> str:
    """A UUID that depends on `name` only: assigned before the first send, equal in every run."""
    h = _digest(name)
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:]}"


def token_of(prefix: str, name: str) -> str:
    """An opaque token such as `card-1f0c…` that depends on `name` only."""
    return f"{prefix}-{_digest(name)[:16]}"


def rfc3339(event_ms: Ints) -> list[str]:
    """`2026-11-09T05:00:00.000Z` for each instant."""
    texts: list[str] = np.datetime_as_string(event_ms.astype("datetime64[ms]"), timezone="UTC").tolist()
    return texts


def rng_of(seed: int, *names: str) -> np.random.Generator:
    """An independent random stream for each name under one seed."""
    words = np.frombuffer(hashlib.blake2b("/".join(names).encode(), digest_size=16).digest(), dtype="<u4")
    return np.random.Generator(np.random.PCG64([seed, *words.tolist()]))


def arrival_after(event_ms: Ints, rng: np.random.Generator, *, low_ms: int = 40, high_ms: int = 1500) -> Ints:
    """Arrival times a short network delay after the event."""
    return event_ms + rng.integers(low_ms, high_ms, len(event_ms))


def _digest(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
