"""Which record of Kafka is which of the producer's, and where each is to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from contracts.reasons import MAX_CLOCK_LEAD_SECONDS, RejectReason
from contracts.topics_names import SHOP_TOPICS
from contracts.validators.validate_kafka_event import Validator
from production_ops.ledger.model import Evidence, Rules, Seen, Sent

STRANGER: Final = -1
"""The number of a record that bears none."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A record with its meaning. `copy` counts from 0; `fate` is where this copy is to end."""

    seen: Seen
    sent: Sent
    copy: int
    fate: str

    @property
    def name(self) -> str:
        """The event id, or the record's number where nobody can tell its id."""
        return self.sent.event_id or f"record {self.sent.number}"


def place(evidence: Evidence, rules: Rules) -> tuple[list[Placed], list[Seen]]:
    """The shop's records in the order of their partitions, and the strangers that nobody announced."""
    by_number = {sent.number: sent for sent in evidence.sent}
    copies: dict[int, int] = {}
    placed: list[Placed] = []
    strangers: list[Seen] = []
    for topic in SHOP_TOPICS:
        for seen in evidence.topics.get(topic, ()):
            sent = by_number.get(seen.number) if seen.number is not None else None
            if sent is None:
                strangers.append(seen)
                continue
            copy = copies.get(sent.number, 0)
            copies[sent.number] = copy + 1
            placed.append(Placed(seen, sent, copy, _fate_of_copy(sent.fate) if copy else sent.fate))
    if rules.judge_strangers:
        return sorted([*placed, *_judged(strangers, placed, rules)], key=lambda p: p.seen.coordinate), []
    return placed, strangers


def instant_ms(text: str) -> int:
    """Epoch milliseconds of an instant as the contracts write it.

    Raises:
        ValueError: it is none.
    """
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _fate_of_copy(fate: str) -> str:
    """A second copy of an accepted event is a duplicate; a refused one is refused again."""
    return "duplicate" if fate in ("silver", "late") else fate


def _judged(strangers: Sequence[Seen], placed: Sequence[Placed], rules: Rules) -> Iterator[Placed]:
    """The fate that the contract gives to records without a number: its verdict, then time, then the ids before them.

    An id that a numbered record has is taken, wherever that record lies.
    """
    validators = {topic: Validator(topic) for topic in SHOP_TOPICS}
    taken: dict[tuple[str, str], Any] = {}
    for item in placed:
        if item.copy == 0 and item.sent.event_id and item.fate in ("silver", "late"):
            taken[item.seen.topic, item.sent.event_id] = orjson.loads(item.seen.value or b"")
    for seen in strangers:
        refusal = validators[seen.topic].reason(seen.value)
        if refusal is not None:
            fate, event_id = f"quarantine:{refusal.reason}", None
        else:
            event = orjson.loads(seen.value or b"")
            event_id = event["event_id"]
            fate = _fate_of_valid(event, seen, taken, rules)
        yield Placed(seen, Sent(STRANGER, seen.topic, event_id, fate), 0, fate)


def _fate_of_valid(event: Mapping[str, Any], seen: Seen, taken: dict[tuple[str, str], Any], rules: Rules) -> str:
    behind_ms = seen.timestamp_ms - instant_ms(event["event_time"])
    if behind_ms < -MAX_CLOCK_LEAD_SECONDS * 1000:
        return f"quarantine:{RejectReason.FUTURE}"
    place_of_id = (seen.topic, str(event["event_id"]))
    if place_of_id in taken:
        return "duplicate" if taken[place_of_id] == event else f"quarantine:{RejectReason.ID_CONFLICT}"
    taken[place_of_id] = event
    return "late" if behind_ms > rules.allowed_lateness_ms else "silver"
