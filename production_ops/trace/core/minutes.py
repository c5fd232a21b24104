"""The feature records that a click's minute was sent with, and which of them is the click's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from contracts.topics_names import CUSTOMER_FEATURE, PRODUCT_FEATURE
from feature_store.core.live_windows import MS_PER_MINUTE
from production_ops.trace.core.evidence import Place, place_of
from shared_utils.records import Received
from shared_utils.time_utils import ms_of

COUNTED: Final[Mapping[str, frozenset[str]]] = {
    CUSTOMER_FEATURE: frozenset({"view", "add", "remove", "search"}),
    PRODUCT_FEATURE: frozenset({"view", "add"}),
}
"""The actions that have a feature record."""
_TOUCHED: Final = ("product_id", "event_time", "action")


@dataclass(frozen=True, slots=True)
class MinuteRecord:
    """A feature record, parsed. `minute` is an epoch minute."""

    record: Received
    minute: int
    version: int
    last_event_id: str
    touches: Sequence[Mapping[str, Any]]

    @property
    def place(self) -> Place:
        """Where it lies in its topic."""
        return place_of(self.record)


@dataclass(frozen=True, slots=True)
class Counted:
    """The record with which a click was counted. `by_touch`: known by its list of touches, its id is another event's.

    `copies`: how often that very state was sent; `newer`: states of the same minute that took its place.
    """

    own: MinuteRecord
    by_touch: bool
    copies: int
    newer: Sequence[MinuteRecord]


def minute_records(records: Iterable[Received]) -> list[MinuteRecord]:
    """The feature records in the order of their places; what is no feature record is left out."""
    found = []
    for record in sorted(records, key=place_of):
        try:
            value = orjson.loads(record.value or b"")
            found.append(
                MinuteRecord(
                    record,
                    ms_of(value["bucket_start"]) // MS_PER_MINUTE,
                    int(value["version"]),
                    str(value["last_event_id"]),
                    value.get("products", ()),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def minute_of(click: Mapping[str, Any]) -> int:
    """The epoch minute of a click's event time."""
    return ms_of(click["event_time"]) // MS_PER_MINUTE


def counted(click: Mapping[str, Any], records: Sequence[MinuteRecord]) -> Counted | None:
    """With which record the click was counted; None where no record shows it."""
    minute = [r for r in records if r.minute == minute_of(click)]
    named = [r for r in minute if r.last_event_id == click["event_id"]]
    touch = {name: click[name] for name in _TOUCHED}
    listing = [r for r in minute if any({name: t[name] for name in _TOUCHED} == touch for t in r.touches)]
    for found in (named, listing):
        if found:
            own = found[0]
            newer = [r for r in minute if r.version > own.version]
            return Counted(own, found is listing, sum(r.version == own.version for r in found), newer)
    return None


def of_event(event_id: str, records: Sequence[MinuteRecord]) -> MinuteRecord | None:
    """The first record that came with an event."""
    return next((r for r in records if r.last_event_id == event_id), None)
