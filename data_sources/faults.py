"""Plants faults among clean events and notes the fate each is meant to have.

Only times of arrival are changed and events are added: every clean event still reaches silver, or the late table, once.
Lateness of an event is arrival minus event time; above 2 h it is late. Planted lateness keeps well clear of that bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from contracts.reasons import RejectReason
from contracts.topics_names import CLICK, INVENTORY, PAYMENT, TRANSACTION
from data_sources.arrays import Ints
from data_sources.events import DUPLICATE, LATE, Events, concat, rfc3339, rng_of, traceparent, uuid_of
from data_sources.malformed import Malformation, Payload, malformations

_SECOND_MS = 1_000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
OUT_OF_ORDER_MS = (_MINUTE_MS, 9 * _MINUTE_MS + 30 * _SECOND_MS)
LATE_MS = (2 * _HOUR_MS + 15 * _MINUTE_MS, 30 * _HOUR_MS)
REPEAT_MS = (_SECOND_MS, 100 * _MINUTE_MS)
CONFLICT_MS = (_SECOND_MS, 30 * _MINUTE_MS)
FUTURE_MS = (20 * _MINUTE_MS, 72 * _HOUR_MS)


@dataclass(frozen=True)
class FaultPlan:
    """How much of each fault is planted in each topic: ratios of its events, or numbers of events."""

    out_of_order_ratio: float = 0.05
    late_ratio: float = 0.005
    duplicate_ratio: float = 0.02
    malformed_ratio: float = 0.01
    conflicts: int = 3
    futures: int = 4


def quarantined(reason: RejectReason) -> str:
    """The fate of an event refused for `reason`."""
    return f"quarantine:{reason}"


def plant_faults(topic_events: Events, end_ms: int, seed: int, plan: FaultPlan | None = None) -> Events:
    """The events of one topic with faults planted; `end_ms` is the live end, by which nearly all must have arrived.

    Every kind of malformation of the topic occurs at least once. An event is delayed, late, duplicated or contradicted,
    never two of these.
    """
    plan = plan or FaultPlan()
    topic = topic_events.topics[0]
    rng = rng_of(seed, "faults", topic)
    chosen = _Chooser(topic_events, end_ms, rng)
    late = chosen.rows(plan.late_ratio, before_end_ms=LATE_MS[1])
    delayed = chosen.rows(plan.out_of_order_ratio, before_end_ms=OUT_OF_ORDER_MS[1])
    repeated = chosen.rows(plan.duplicate_ratio, before_end_ms=REPEAT_MS[1])
    contradicted = chosen.rows(plan.conflicts, before_end_ms=CONFLICT_MS[1])
    clean = _delay(_delay(topic_events, late, LATE_MS, "late", rng), delayed, OUT_OF_ORDER_MS, "out_of_order", rng)
    clean.fates = [LATE if fault == "late" else fate for fate, fault in zip(clean.fates, clean.faults, strict=True)]
    return concat(
        [
            clean,
            _duplicates(clean.take(repeated), rng),
            _conflicts(clean.take(contradicted), rng),
            _futures(clean.take(chosen.any_rows(plan.futures)), seed, rng),
            _malformed(clean, plan.malformed_ratio, chosen, seed, rng),
        ]
    )


class _Chooser:
    """Draws rows, each at most once through `rows`, so that faults do not meet in one event."""

    def __init__(self, events: Events, end_ms: int, rng: np.random.Generator) -> None:
        self._event_ms = events.event_ms
        self._end_ms = end_ms
        self._free = rng.permutation(len(events))
        self._rng = rng

    def rows(self, amount: float, *, before_end_ms: int) -> Ints:
        """A ratio (below 1) or a number of unused rows that lie that long before the live end; at least one."""
        count = max(1, round(amount * len(self._event_ms)) if amount < 1 else int(amount))
        early = self._event_ms[self._free] < self._end_ms - before_end_ms - _HOUR_MS
        picked = self._free[early][:count]
        self._free = self._free[~np.isin(self._free, picked)]
        return np.sort(picked)

    def any_rows(self, count: int) -> Ints:
        """`count` rows to copy, used or not."""
        return np.sort(self._rng.choice(len(self._event_ms), count, replace=count > len(self._event_ms)))


def _delay(events: Events, rows: Ints, bounds_ms: tuple[int, int], fault: str, rng: np.random.Generator) -> Events:
    arrival_ms = events.arrival_ms.copy()
    arrival_ms[rows] = events.event_ms[rows] + rng.integers(*bounds_ms, len(rows))
    faults = list(events.faults)
    for row in rows.tolist():
        faults[row] = fault
    return replace(events, arrival_ms=arrival_ms, faults=faults)


def _duplicates(originals: Events, rng: np.random.Generator) -> Events:
    """The same bytes again, mostly soon after the original and sometimes long after."""
    low, high = np.log(REPEAT_MS)
    after = np.exp(rng.uniform(low, high, len(originals))).astype(np.int64) + 1
    return _marked(originals, DUPLICATE, "duplicate", arrival_ms=originals.arrival_ms + after)


def _conflicts(originals: Events, rng: np.random.Generator) -> Events:
    """The same event id with another, valid payload; the first one wins."""
    contradict = _CONTRADICTIONS[originals.topics[0]] if len(originals) else dict
    values = [orjson.dumps(contradict(payload)) for payload in _payloads(originals)]
    after = rng.integers(*CONFLICT_MS, len(originals))
    fate = quarantined(RejectReason.ID_CONFLICT)
    return _marked(originals, fate, "id_conflict", values=values, arrival_ms=originals.arrival_ms + after)


def _futures(originals: Events, seed: int, rng: np.random.Generator) -> Events:
    """Events with ids of their own whose clock runs ahead of their arrival."""
    event_ms = originals.arrival_ms + rng.integers(*FUTURE_MS, len(originals))
    ids = [uuid_of(f"{seed}:future:{event_id}:{n}") for n, event_id in enumerate(originals.event_ids)]
    changes = zip(_payloads(originals), ids, rfc3339(event_ms), strict=True)
    values = [orjson.dumps({**payload, "event_id": new, "event_time": time}) for payload, new, time in changes]
    fate = quarantined(RejectReason.FUTURE)
    return _marked(originals, fate, "future", values=values, event_ids=ids, event_ms=event_ms)


def _malformed(clean: Events, ratio: float, chosen: _Chooser, seed: int, rng: np.random.Generator) -> Events:
    """Spoiled copies under new ids, arriving beside their originals; every kind in turn."""
    kinds = malformations(clean.topics[0])
    originals = clean.take(chosen.any_rows(max(len(kinds), round(ratio * len(clean)))))
    planted = [kinds[n % len(kinds)] for n in range(len(originals))]
    ids = [uuid_of(f"{seed}:malformed:{event_id}:{n}") for n, event_id in enumerate(originals.event_ids)]
    fresh = [{**payload, "event_id": new} for payload, new in zip(_payloads(originals), ids, strict=True)]
    return replace(
        originals,
        values=[kind.spoil(payload) for kind, payload in zip(planted, fresh, strict=True)],
        event_ids=[new if _keeps_id(kind) else None for kind, new in zip(planted, ids, strict=True)],
        traces=[traceparent(new, new) for new in ids],
        arrival_ms=originals.arrival_ms + rng.integers(1, 5 * _SECOND_MS, len(originals)),
        fates=[quarantined(kind.reason) for kind in planted],
        faults=[kind.name for kind in planted],
    )


def _keeps_id(kind: Malformation) -> bool:
    """Whether a reader can still tell the event's id."""
    return kind.reason in (RejectReason.SCHEMA, RejectReason.SEMANTIC) and kind.name not in (
        "bad_event_id",
        "list_of_events",
    )


def _marked(events: Events, fate: str, fault: str, **changes: Any) -> Events:
    return replace(events, fates=[fate] * len(events), faults=[fault] * len(events), **changes)


def _payloads(events: Events) -> Iterator[Payload]:
    return (orjson.loads(value) for value in events.values if value is not None)


def _other_device(payload: Payload) -> Payload:
    return {**payload, "device_type": "desktop" if payload["device_type"] == "mobile" else "mobile"}


def _other_total(payload: Payload) -> Payload:
    first, *others = payload["lines"]
    dearer = {**first, "sales_cents": first["sales_cents"] + 100}
    return {**payload, "lines": [dearer, *others], "total_cents": payload["total_cents"] + 100}


_CONTRADICTIONS: dict[str, Callable[[Payload], Payload]] = {
    CLICK: _other_device,
    TRANSACTION: _other_total,
    PAYMENT: lambda payload: {**payload, "amount_cents": payload["amount_cents"] + 100},
    INVENTORY: lambda payload: {**payload, "on_hand": payload["on_hand"] + 1},
}
