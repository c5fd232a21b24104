"""The journey of one click: each hop with its instant, its delay and what says so, or why nothing does.

Nothing is interpolated. A delay stands only between two recorded instants, each by the clock of the process that wrote
it, so clocks that differ can make one negative: it is shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from contracts.reasons import MAX_CLOCK_LEAD_SECONDS
from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, RECOMMENDATION_DECISION, dlq_name
from production_ops.trace.core.evidence import (
    TRACEPARENT,
    Archived,
    Evidence,
    Place,
    TraceContext,
    place_of,
    trace_context,
)
from production_ops.trace.core.minutes import COUNTED, Counted, MinuteRecord, counted, minute_of, minute_records
from production_ops.trace.core.uses import DecisionUse, TraceMatch, Use, matched, uses
from shared_utils.records import Received
from shared_utils.time_utils import ms_of


class Name(StrEnum):
    """The hops, in their order."""

    PRODUCED = "produced"
    KAFKA = "kafka"
    FLINK_CUSTOMER = "flink customer"
    FLINK_PRODUCT = "flink product"
    REDIS_CUSTOMER = "redis customer"
    REDIS_PRODUCT = "redis product"
    REDIS_NOW = "redis now"
    READ = "read"
    DECISION = "decision"
    BRONZE = "lake bronze"
    SILVER = "lake silver"


_FLINK: Final = {CUSTOMER_FEATURE: Name.FLINK_CUSTOMER, PRODUCT_FEATURE: Name.FLINK_PRODUCT}
_REDIS: Final = {CUSTOMER_FEATURE: Name.REDIS_CUSTOMER, PRODUCT_FEATURE: Name.REDIS_PRODUCT}


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop. Where `missing` says why, there is no evidence and no instant.

    `at_ms` is None too where a store keeps no instant of its own. `since` is the hop that `delay_ms` counts from.
    """

    name: Name
    at_ms: int | None = None
    since: Name | None = None
    delay_ms: int | None = None
    evidence: str = ""
    match: TraceMatch | None = None
    span_id: str | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Journey:
    """A click's hops, and every decision of its customer beside it."""

    event_id: str
    customer_id: int
    product_id: int | None
    action: str
    trace: TraceContext | None
    hops: tuple[Hop, ...]
    decisions: tuple[DecisionUse, ...]

    def hop(self, name: Name) -> Hop:
        """The hop of that name."""
        return next(hop for hop in self.hops if hop.name is name)

    @property
    def mismatches(self) -> tuple[str, ...]:
        """Where a header's trace id is not the one that it must be, or is not there."""
        wrong = (TraceMatch.DIFFERS, TraceMatch.ABSENT)
        used = [f"decision {use.event_id}" for use in self.decisions if use.match in wrong]
        return (*(hop.name.value for hop in self.hops if hop.name is not Name.DECISION and hop.match in wrong), *used)


def journey(evidence: Evidence) -> Journey:
    """Join the evidence of one click, of which there is at least one arrival."""
    return _Join(evidence).journey()


class _Join:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        # Equal keys lie in one partition: the smallest place is the first arrival, which is the one that counts.
        self._first = min(evidence.arrivals, key=place_of)
        self._click: Mapping[str, Any] = orjson.loads(self._first.value or b"")
        self._trace = trace_context(self._first.headers.get(TRACEPARENT))
        self._at: dict[Name, int] = {}
        self._records = {
            CUSTOMER_FEATURE: minute_records(evidence.customer_features),
            PRODUCT_FEATURE: minute_records(evidence.product_features),
        }
        self._counted = {
            topic: counted(self._click, records) if self._click["action"] in COUNTED[topic] else None
            for topic, records in self._records.items()
        }

    def journey(self) -> Journey:
        live = [self._produced(), self._kafka(), *self._flink(), *self._redis(), self._redis_now()]
        found = self._uses()
        hops = (*live, *self._decided(found), self._bronze(), self._silver())
        return Journey(
            event_id=self._click["event_id"],
            customer_id=self._click["customer_id"],
            product_id=self._click["product_id"],
            action=self._click["action"],
            trace=self._trace,
            hops=hops,
            decisions=tuple(found),
        )

    def _seen(
        self, name: Name, at_ms: int | None, evidence: str, since: Name | None = None, record: Received | None = None
    ) -> Hop:
        """A hop with evidence. `record`: whose header must go on with the click's trace."""
        if at_ms is not None:
            self._at[name] = at_ms
        began = self._at.get(since) if since else None
        delay_ms = None if at_ms is None or began is None else at_ms - began
        header = None if record is None else record.headers.get(TRACEPARENT)
        context = trace_context(header)
        return Hop(
            name, at_ms, since, delay_ms, evidence,
            match=None if record is None else matched(header, self._trace), span_id=context and context.span_id,
        )  # fmt: skip

    def _produced(self) -> Hop:
        return Hop(
            Name.PRODUCED,
            self._at.setdefault(Name.PRODUCED, ms_of(self._click["event_time"])),
            evidence="the click's event_time, by the shop's clock",
            span_id=self._trace and self._trace.span_id,
        )

    def _kafka(self) -> Hop:
        copies = len(self._evidence.arrivals)
        notes = [] if copies == 1 else [f"{copies} arrivals, the first counts"]
        return self._seen(
            Name.KAFKA, self._first.timestamp_ms, self._coordinate(self._first, *notes), Name.PRODUCED, None
        )

    def _flink(self) -> Iterator[Hop]:
        for topic, name in _FLINK.items():
            found = self._counted[topic]
            if found is None:
                yield Hop(name, missing=self._why_uncounted(topic))
                continue
            record, notes = found.own.record, [f"version {found.own.version}"]
            if found.by_touch:
                notes.append("by its touch: the record names another event")
            if found.copies > 1:
                notes.append(f"sent {found.copies} times")
            if found.newer:
                notes.append(f"replaced by version {max(r.version for r in found.newer)}")
            by_name = None if found.by_touch else record
            yield self._seen(name, record.timestamp_ms, self._coordinate(record, *notes), Name.KAFKA, by_name)

    def _why_uncounted(self, topic: str) -> str:
        if (why := self._evidence.missing_topics.get(topic)) is not None:
            return why
        action = self._click["action"]
        if action not in COUNTED[topic]:
            return f"{topic} counts no {action}"
        lead_ms = ms_of(self._click["event_time"]) - (self._first.timestamp_ms or 0)
        if self._first.timestamp_ms is not None and lead_ms > MAX_CLOCK_LEAD_SECONDS * 1000:
            return f"its event_time is {lead_ms / 1000:.0f} s ahead of its arrival: not accepted"
        in_minute = sum(record.minute == minute_of(self._click) for record in self._records[topic])
        who = f"{'product' if topic == PRODUCT_FEATURE else 'customer'} {self._entity(topic)}"
        return f"none of {in_minute} records of {who} in this minute in {topic} came with it"

    def _entity(self, topic: str) -> int | None:
        entity: int | None = self._click["product_id" if topic == PRODUCT_FEATURE else "customer_id"]
        return entity

    def _redis(self) -> Iterator[Hop]:
        for topic, name in _REDIS.items():
            found = self._counted[topic]
            if found is None:
                yield Hop(name, missing="no feature record to look for")
                continue
            archived = self._archived(topic)
            ingest_ms = archived.ingest_ms.get(found.own.place)
            if ingest_ms is None:
                yield Hop(name, missing=_why_not_archived(topic, archived, found.own.place))
                continue
            notes = _with_newer(found, archived, ingest_ms)
            yield self._seen(name, ingest_ms, f"ingest_time of its row in bronze{notes}", _FLINK[topic])

    def _archived(self, topic: str) -> Archived:
        return self._evidence.archived.get(topic, Archived(missing=f"the lake was not asked for {topic}"))

    def _redis_now(self) -> Hop:
        held, found = self._evidence.held, self._counted[CUSTOMER_FEATURE]
        if held.missing is not None:
            return Hop(Name.REDIS_NOW, missing=held.missing)
        if found is None:
            return Hop(Name.REDIS_NOW, missing="no feature record to look for")
        if held.minute is None:
            return Hop(Name.REDIS_NOW, missing="the customer's minute is not there (any more)")
        newer = held.minute.version >= found.own.version
        says = "holds the click" if newer else f"older than the click's {found.own.version}"
        state = f"version {held.minute.version} of its minute, offset {held.minute.offset}"
        return Hop(Name.REDIS_NOW, evidence=f"{state}: {says}")

    def _uses(self) -> list[DecisionUse]:
        found = self._counted[CUSTOMER_FEATURE]
        return uses(
            self._evidence.decisions,
            None if found is None else found.own,
            self._records[CUSTOMER_FEATURE],
            event_id=self._click["event_id"],
            click_trace=self._trace,
            stood_ms=self._at.get(Name.REDIS_CUSTOMER),
        )

    def _decided(self, found: Sequence[DecisionUse]) -> Iterator[Hop]:
        first = next((use for use in found if use.use.is_use), None)
        if first is None:
            why = self._why_unused(found)
            yield Hop(Name.READ, missing=why)
            yield Hop(Name.DECISION, missing=why)
            return
        yield self._seen(Name.READ, first.live_as_of_ms, f"live_as_of of the decision: {first.why}",
                         Name.REDIS_CUSTOMER)  # fmt: skip
        hop = self._seen(
            Name.DECISION,
            first.at_ms,
            f"{RECOMMENDATION_DECISION} {_spot(first.place)}, its event_time; windows {', '.join(first.windows)}",
            Name.READ,
        )
        yield Hop(hop.name, hop.at_ms, hop.since, hop.delay_ms, hop.evidence, first.match,
                  first.trace and first.trace.span_id)  # fmt: skip

    def _why_unused(self, found: Sequence[DecisionUse]) -> str:
        if (why := self._evidence.missing_topics.get(RECOMMENDATION_DECISION)) is not None:
            return why
        if not found:
            return f"{RECOMMENDATION_DECISION} holds no decision for customer {self._click['customer_id']}"
        counts = {use: sum(each.use is use for each in found) for use in Use}
        return "; ".join(f"{count} decision{'s' * (count > 1)}: {use}" for use, count in counts.items() if count)

    def _bronze(self) -> Hop:
        archived, place = self._archived(CLICK), place_of(self._first)
        ingest_ms = archived.ingest_ms.get(place)
        if ingest_ms is None:
            return Hop(Name.BRONZE, missing=_why_not_archived(CLICK, archived, place))
        return self._seen(Name.BRONZE, ingest_ms, "ingest_time of its row in bronze.click", Name.KAFKA)

    def _silver(self) -> Hop:
        if self._evidence.fate is None:
            return Hop(Name.SILVER, missing="no row in silver.click, silver.late_event or bronze.quarantine")
        return Hop(Name.SILVER, evidence=f"{self._evidence.fate}; the table keeps no time of writing")

    def _coordinate(self, record: Received, *notes: str) -> str:
        kind = self._evidence.timestamp_types.get(record.topic, "a timestamp of unknown type")
        return "; ".join([f"{record.topic} {_spot(place_of(record))}, {kind}", *notes])


def _spot(place: Place) -> str:
    return f"{place.partition}@{place.offset}"


def _why_not_archived(topic: str, archived: Archived, place: Place) -> str:
    if archived.missing is not None:
        return archived.missing
    last = archived.last_offset.get(place.partition)
    if last is None or last < place.offset:
        upto = "no offset" if last is None else f"offset {last}"
        return f"bronze has {topic} {place.partition} up to {upto}, not yet {place.offset}"
    return f"bronze is past {topic} {_spot(place)} and lacks it: look into {dlq_name(topic)}"


def _with_newer(found: Counted, archived: Archived, ingest_ms: int) -> str:
    """Of a minute's versions in one batch only the newest is put, with all before it: they stand at one instant."""
    together: list[MinuteRecord] = [r for r in found.newer if archived.ingest_ms.get(r.place) == ingest_ms]
    return f"; version {max(r.version for r in together)} stood at once" if together else ""
