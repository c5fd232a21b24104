"""What the fraud rules say of given events, by plain loops: the twin that Flink's alerts are compared with.

It shares the rules' numbers and words with the detector, and nothing of how a match is found.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

import orjson

from contracts.validators.validate_kafka_event import Validator
from shared_utils.records import Received
from stream_processing.core.fraud_rules import (
    MAX_EVENT_IDS,
    AccountTakeover,
    CardTesting,
    CouponAbuse,
    FraudRules,
    ImpossibleTravel,
    Rule,
    Velocity,
    alert_id,
)

_FUTURE_MS: Final = 300_000

Event = dict[str, Any]
Ends = Callable[[Sequence[Event], int], int | None]
"""The place of the last event of the match that begins at the given place, or None."""


def expected_alerts(rules: FraudRules, payments: Iterable[Event], purchases: Iterable[Event]) -> list[Event]:
    """Every alert, as contract values. `payments` and `purchases` are contract events, each event_id once."""
    paid = [{**event, "ms": epoch_ms(event["event_time"])} for event in payments]
    bought = [{**event, "ms": epoch_ms(event["event_time"]), "coupon_cents": coupons(event)} for event in purchases]
    heavy = [event for event in bought if is_heavy(rules.coupon_abuse, event)]
    approved = [event for event in paid if event["outcome"] == "approved" and event.get("address_token") is not None]
    return [
        *_alerts(rules.card_testing, paid, _card_testing(rules.card_testing)),
        *_alerts(rules.velocity, paid, _velocity(rules.velocity)),
        *_alerts(rules.impossible_travel, paid, _impossible_travel(rules.impossible_travel)),
        *_alerts(rules.coupon_abuse, heavy, _coupon_abuse(rules.coupon_abuse)),
        *_alerts(rules.account_takeover, approved, _account_takeover(rules.account_takeover)),
    ]


def accepted_events(records: Iterable[Received], lateness_seconds: float = math.inf) -> list[Event]:
    """The events of one topic that a rule may see: valid, not from the future, the first of their id, and in time.

    `records` stand in offset order within each partition. An event is late when it happened `lateness_seconds` or more
    before the latest arrival of a valid event that its partition has seen.
    """
    seen: set[str] = set()
    latest: dict[int, int] = defaultdict(int)
    found = []
    for record in records:
        if _validator(record.topic).reason(record.value) is not None:
            continue
        arrival_ms = record.timestamp_ms or 0
        latest[record.partition] = max(latest[record.partition], arrival_ms)
        event = orjson.loads(record.value or b"")
        happened_ms = epoch_ms(event["event_time"])
        if happened_ms > arrival_ms + _FUTURE_MS or event["event_id"] in seen:
            continue
        seen.add(event["event_id"])
        if happened_ms > latest[record.partition] - lateness_seconds * 1000:
            found.append(event)
    return found


@cache
def _validator(topic: str) -> Validator:
    return Validator(topic)


def epoch_ms(instant: str) -> int:
    """Milliseconds of an instant as the contracts write it."""
    return round(datetime.fromisoformat(instant).timestamp() * 1000)


def coupons(purchase: Event) -> int:
    """The coupons of a basket in cents, with the shop's match."""
    return sum(line["coupon_discount_cents"] + line["coupon_match_discount_cents"] for line in purchase["lines"])


def is_heavy(rule: CouponAbuse, purchase: Event) -> bool:
    """Whether a basket (with `coupon_cents`) counts for coupon abuse."""
    cents: int = purchase["coupon_cents"]
    total: int = purchase["total_cents"]
    return cents >= rule.min_coupon_cents and 100 * cents >= rule.min_coupon_percent * (cents + total)


def _alerts(rule: Rule, events: Iterable[Event], ends: Ends) -> Iterator[Event]:
    by_subject = defaultdict(list)
    for event in events:
        by_subject[str(event[rule.subject_kind.column])].append(event)
    for subject, own in sorted(by_subject.items()):
        ordered = sorted(own, key=lambda event: (event["ms"], event["event_id"]))
        for matched in _matches(ordered, ends):
            yield _alert(rule, subject, matched)


def _matches(events: Sequence[Event], ends: Ends) -> Iterator[Sequence[Event]]:
    start = 0
    while start < len(events):
        last = ends(events, start)
        if last is not None:
            yield events[start : last + 1]
        start = start + 1 if last is None else last + 1


def _within(rule: Rule, first: Event, last: Event) -> bool:
    span_ms: int = last["ms"] - first["ms"]
    return span_ms < rule.within_seconds * 1000


def _card_testing(rule: CardTesting) -> Ends:
    def ends(events: Sequence[Event], start: int) -> int | None:
        last = start
        while last < len(events) and events[last]["outcome"] == "declined":
            last += 1
        if last == len(events) or last - start < rule.declines:
            return None
        return last if _within(rule, events[start], events[last]) else None

    return ends


def _velocity(rule: Velocity) -> Ends:
    def ends(events: Sequence[Event], start: int) -> int | None:
        cards = set()
        for place in range(start, len(events)):
            cards.add(events[place]["card_token"])
            if not _within(rule, events[start], events[place]):
                return None
            if len(cards) == rule.cards:
                return place
        return None

    return ends


def _impossible_travel(rule: ImpossibleTravel) -> Ends:
    def ends(events: Sequence[Event], start: int) -> int | None:
        if start + 1 == len(events):
            return None
        here, there = (rule.regions_km.get(event["region"]) for event in events[start : start + 2])
        far = here is not None and there is not None and math.dist(here, there) >= rule.min_km
        return start + 1 if far and _within(rule, events[start], events[start + 1]) else None

    return ends


def _coupon_abuse(rule: CouponAbuse) -> Ends:
    def ends(events: Sequence[Event], start: int) -> int | None:
        last = start + rule.baskets - 1
        return last if last < len(events) and _within(rule, events[start], events[last]) else None

    return ends


def _account_takeover(rule: AccountTakeover) -> Ends:
    def ends(events: Sequence[Event], start: int) -> int | None:
        last = start + rule.known_payments
        if last >= len(events) or not _within(rule, events[start], events[last]):
            return None
        taken, known = events[last], events[start:last]
        new = all(taken[name] not in {event[name] for event in known} for name in ("device_id", "address_token"))
        return last if new and taken["amount_cents"] >= rule.min_amount_cents else None

    return ends


def _alert(rule: Rule, subject: str, matched: Sequence[Event]) -> Event:
    first, last = matched[0], matched[-1]
    cents = _cents(rule, matched)
    seconds = (last["ms"] - first["ms"]) // 1000
    words = {
        **rule.model_dump(),
        "kind": rule.subject_kind.capitalize(),
        "subject": subject,
        "money": f"{cents // 100}.{cents % 100:02}",
        "seconds": seconds,
        "hours": seconds // 3600,
        "from_region": first.get("region"),
        "to_region": last.get("region"),
    }
    if isinstance(rule, CardTesting):
        words["declines"] = len(matched) - 1
    return {
        "alert_id": alert_id(rule, subject, last["event_id"]),
        "pattern": str(rule.pattern),
        "event_time": last["event_time"],
        "first_event_time": first["event_time"],
        "customer_id": last["customer_id"],
        "subject_kind": str(rule.subject_kind),
        "subject": subject,
        "event_ids": [event["event_id"] for event in matched][-MAX_EVENT_IDS:],
        "amount_cents": cents,
        "rule_version": rule.version,
        "sentence": rule.sentence.format_map(words),
    }


def _cents(rule: Rule, matched: Sequence[Event]) -> int:
    if isinstance(rule, CouponAbuse):
        return sum(event["coupon_cents"] for event in matched)
    counted = matched[-1:] if isinstance(rule, CardTesting | AccountTakeover) else matched
    return sum(event["amount_cents"] for event in counted if event["outcome"] == "approved")
