"""In which decisions a click was used, by what each decision says that it read.

A decision names the newest event inside its live features and the instant of its windows. A partition is written to
Redis in the order of its offsets, so whoever read a later record of the customer read the click's minute too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from feature_store.core.live_windows import MS_PER_MINUTE, WINDOWS
from production_ops.trace.core.evidence import TRACEPARENT, Place, TraceContext, place_of, trace_context
from production_ops.trace.core.minutes import MinuteRecord, of_event
from shared_utils.records import Received
from shared_utils.time_utils import ms_of


class Use(StrEnum):
    """What a decision had to do with the click."""

    NEWEST = "its newest event"
    INSIDE = "inside its windows"
    BEFORE = "read before the click was there"
    OUTSIDE = "windows do not hold its minute"
    NOT_LIVE = "without live features"
    UNPROVEN = "no evidence"

    @property
    def is_use(self) -> bool:
        """Whether the decision was made with the click."""
        return self in (Use.NEWEST, Use.INSIDE)


class TraceMatch(StrEnum):
    """A header's trace id beside the one that it must have."""

    SAME = "same"
    DIFFERS = "does not match"
    ABSENT = "no traceparent"
    UNTRACED = "nothing to match"


@dataclass(frozen=True, slots=True)
class DecisionUse:
    """One decision beside the click. `why` names what says so; `match` is about the trace of its newest live event."""

    event_id: str
    request_id: str
    place: Place
    at_ms: int
    kafka_ms: int | None
    live_as_of_ms: int | None
    live_event_id: str | None
    use: Use
    why: str
    windows: tuple[str, ...]
    match: TraceMatch
    trace: TraceContext | None


def matched(header: bytes | None, expected: TraceContext | None) -> TraceMatch:
    """Compare a header with the trace that it must go on with."""
    found = trace_context(header)
    if expected is None:
        return TraceMatch.UNTRACED
    if found is None:
        return TraceMatch.ABSENT
    return TraceMatch.SAME if found.trace_id == expected.trace_id else TraceMatch.DIFFERS


def windows_of(minute: int, as_of_ms: int) -> tuple[str, ...]:
    """The live windows that hold a minute when they are read at an instant."""
    end = -(-as_of_ms // MS_PER_MINUTE)
    return tuple(name for name, length in WINDOWS.items() if end - length <= minute < end)


def uses(
    decisions: Iterable[Received],
    own: MinuteRecord | None,
    records: Sequence[MinuteRecord],
    *,
    event_id: str,
    click_trace: TraceContext | None,
    stood_ms: int | None,
) -> list[DecisionUse]:
    """Every decision of the customer, in the order in which they were made; what is no decision is left out.

    `own`: the click's feature record among the customer's `records`. `stood_ms`: since when it stands in Redis.
    """
    judge = _Judge(own, records, event_id, click_trace, stood_ms)
    found = [use for record in decisions if (use := judge.use_of(record)) is not None]
    return sorted(found, key=lambda use: (use.at_ms, use.place))


@dataclass(frozen=True, slots=True)
class _Judge:
    own: MinuteRecord | None
    records: Sequence[MinuteRecord]
    event_id: str
    click_trace: TraceContext | None
    stood_ms: int | None

    def use_of(self, record: Received) -> DecisionUse | None:
        try:
            value = orjson.loads(record.value or b"")
            at_ms, as_of = ms_of(value["event_time"]), value.get("live_as_of")
            as_of_ms, newest_id = None if as_of is None else ms_of(as_of), value.get("live_event_id")
            decision_id, request_id = str(value["event_id"]), str(value["request_id"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        newest = None if newest_id is None else of_event(newest_id, self.records)
        windows = () if as_of_ms is None or self.own is None else windows_of(self.own.minute, as_of_ms)
        use, why = self._judged(newest_id, newest, as_of_ms, windows)
        header = record.headers.get(TRACEPARENT)
        return DecisionUse(
            decision_id, request_id, place_of(record), at_ms, record.timestamp_ms, as_of_ms, newest_id, use, why,
            windows, matched(header, self._expected(newest_id, newest)), trace_context(header),
        )  # fmt: skip

    def _expected(self, newest_id: str | None, newest: MinuteRecord | None) -> TraceContext | None:
        if newest_id == self.event_id:
            return self.click_trace
        return None if newest is None else trace_context(newest.record.headers.get(TRACEPARENT))

    def _judged(
        self, newest_id: str | None, newest: MinuteRecord | None, as_of_ms: int | None, windows: tuple[str, ...]
    ) -> tuple[Use, str]:
        if newest_id is None or as_of_ms is None:
            return Use.NOT_LIVE, "it names no live_event_id and live_as_of"
        if newest_id == self.event_id:
            return Use.NEWEST, "its live_event_id is the click"
        if self.own is None:
            return Use.UNPROVEN, "no feature record shows the click"
        if not windows:
            return Use.OUTSIDE, "the click's minute is in no window at its live_as_of"
        if newest is None:
            return Use.UNPROVEN, f"no feature record came with its live_event_id {newest_id}"
        return self._beside(self.own, newest, as_of_ms)

    def _beside(self, own: MinuteRecord, newest: MinuteRecord, as_of_ms: int) -> tuple[Use, str]:
        """The windows hold the click's minute, and the newest event that was read is another one."""
        name = f"its live_event_id came at offset {newest.place.offset}"
        if newest.place.partition == own.place.partition and newest.place > own.place:
            return Use.INSIDE, f"{name}, behind the click's {own.place.offset}"
        if newest.minute < own.minute:
            return Use.BEFORE, f"{name}, of an older minute than the click's"
        if newest.minute == own.minute:
            use = Use.INSIDE if newest.version > own.version else Use.BEFORE
            return use, f"{name}, version {newest.version} of the minute, the click's is {own.version}"
        # A late click: its record came behind that of a newer minute, which stays the newest. Clocks alone decide.
        if self.stood_ms is None:
            return Use.UNPROVEN, f"{name}, of a newer minute; when the click stood in Redis is not known"
        if self.stood_ms <= as_of_ms:
            return Use.INSIDE, "read after the click stood in Redis, by the writer's and the reader's clock"
        return Use.BEFORE, "read before the click stood in Redis, by the writer's and the reader's clock"
