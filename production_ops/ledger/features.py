"""The feature topics against brute force: each counted event, and the sums of each entity's minute, exactly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, FEATURE_TOPICS, PRODUCT_FEATURE, TRANSACTION, dlq_name
from production_ops.ledger.events import compare_rows
from production_ops.ledger.minutes import (
    ENTITY,
    Minute,
    MinuteKey,
    accepted,
    add_to,
    contributions,
    expected_minutes,
    read_leniently,
)
from production_ops.ledger.model import Evidence, Rules, Seen, Stage, StageBalance, Word
from production_ops.ledger.placing import Placed

_MINUTE_TOPICS: Final = (CUSTOMER_FEATURE, PRODUCT_FEATURE)


def judge_features(evidence: Evidence, placed: Sequence[Placed], rules: Rules) -> StageBalance:
    """Newest state of every entity's minute against the sum of the accepted events, and a record for each event."""
    balance = StageBalance(Stage.FEATURES)
    records = [seen for topic in _MINUTE_TOPICS for seen in evidence.topics.get(topic, ())]
    if not records and Stage.FEATURES not in rules.demanded:
        balance.unjudged.append("the feature topics are empty: no Flink job ran")
        return balance
    balance.judged = True
    events = list(accepted(placed))
    minutes = expected_minutes(events)
    states, sent_for = _newest(records, balance)
    _count_what_slipped_in(sent_for, placed, minutes, balance)
    faulty: set[MinuteKey] = set()
    for key in sorted(minutes.keys() | states.keys()):
        if not _judge_minute(key, minutes.get(key), states.get(key), balance):
            faulty.add(key)
    _judge_records(minutes, sent_for, faulty, balance)
    balance.accounted = sum(len(minute.ids) for key, minute in minutes.items() if key not in faulty)
    return balance


def _newest(
    records: Iterable[Seen], balance: StageBalance
) -> tuple[dict[MinuteKey, dict[str, Any]], dict[MinuteKey, Counter[str]]]:
    """The greatest version of each minute, and the events that its records came with."""
    states: dict[MinuteKey, dict[str, Any]] = {}
    sent_for: dict[MinuteKey, Counter[str]] = defaultdict(Counter)
    for seen in records:
        try:
            value = orjson.loads(seen.value or b"")
            key = MinuteKey(seen.topic, value[ENTITY[seen.topic]], value["bucket_start"])
            version, event_id = value["version"], value["last_event_id"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            balance.add(Word.MISROUTED, "{}[{}]@{}".format(*seen.coordinate), "not a feature record")
            continue
        sent_for[key][event_id] += 1
        if key not in states or version >= states[key]["version"]:
            states[key] = value
    balance.copies = sum(count - 1 for ids in sent_for.values() for count in ids.values())
    return states, sent_for


def _count_what_slipped_in(
    sent_for: Mapping[MinuteKey, Counter[str]],
    placed: Sequence[Placed],
    minutes: dict[MinuteKey, Minute],
    balance: StageBalance,
) -> None:
    """Name the events that features count though they are refused; their minutes are judged with them, once."""
    refused = _refused(placed)
    for key, ids in sent_for.items():
        known = set(minutes[key].ids) if key in minutes else set()
        for event_id in sorted(ids.keys() - known):
            subject = f"{_named(key)}"
            if event_id not in refused:
                balance.add(Word.MISROUTED, event_id, f"counted in {subject}, but not an event of it", [event_id])
                continue
            item, event = refused[event_id]
            balance.add(Word.MISROUTED, event_id, f"counted in {subject}, but meant for {item.fate}", [event_id])
            _count_refused(item.seen.topic, event, key, minutes)


def _refused(placed: Sequence[Placed]) -> dict[str, tuple[Placed, Mapping[str, Any]]]:
    found: dict[str, tuple[Placed, Mapping[str, Any]]] = {}
    for item in placed:
        if item.fate.startswith("quarantine:") and item.seen.topic in (CLICK, TRANSACTION):
            event = read_leniently(item.seen.value)
            if event is not None:
                found.setdefault(str(event.get("event_id")), (item, event))
    return found


def _count_refused(topic: str, event: Mapping[str, Any], key: MinuteKey, minutes: dict[MinuteKey, Minute]) -> None:
    try:
        adds = [counted for counted in contributions(topic, event) if counted.key[:2] == key[:2]]
    except (KeyError, TypeError, ValueError):
        return
    for counted in adds:
        # An impossible day is read as another one: the record says as which.
        add_to(minutes, replace(counted, key=key))
        minutes[key].slipped = True


def _judge_minute(key: MinuteKey, minute: Minute | None, state: dict[str, Any] | None, balance: StageBalance) -> bool:
    """Note what is wrong with a minute, once; whether it is right."""
    if state is None and minute is not None:
        balance.add(Word.LOST, _named(key), f"no record, {len(minute.ids)} events", minute.ids)
        return False
    if minute is None or state is None:
        balance.add(Word.MISROUTED, _named(key), "a record of no event")
        return False
    wrong = {
        name: f"{name} {state.get(name)} instead of {wanted}"
        for name, wanted in {**minute.sums, "version": len(minute.ids)}.items()
        if state.get(name) != wanted
    }
    more, fewer = _touch_differences(key, minute, state)
    if wrong or more or fewer:
        balance.add(_word(state["version"] - len(minute.ids), more, fewer), _named(key),
                    ", ".join(wrong.values()) or "other products", _suspects(minute, wrong, more or fewer))  # fmt: skip
        return False
    touches = [touch for touch, _ in minute.touches]
    if key.topic == CUSTOMER_FEATURE and _touches(state) != touches and not minute.slipped:
        moved = [i for (touch, i), found in zip(minute.touches, _touches(state), strict=True) if touch != found]
        balance.add(Word.REORDERED, _named(key), "its products stand in another order than they came", moved)
        return False
    if state["event_time"] != minute.latest and not _is_approximate(minute):
        detail = f"event_time {state['event_time']} instead of {minute.latest}"
        balance.add(Word.MISROUTED, _named(key), detail, minute.ids)
        return False
    return True


def _word(surplus: int, more: Sequence[str], fewer: Sequence[str]) -> Word:
    if surplus > 0 or (surplus == 0 and more and not fewer):
        return Word.DUPLICATED
    return Word.LOST if surplus < 0 or (fewer and not more) else Word.MISROUTED


def _suspects(minute: Minute, wrong: Mapping[str, str], touched: Sequence[str]) -> list[str]:
    """The events that the difference can be of: by the products where they say it, else all of the minute."""
    return list(touched) if touched and wrong.keys() <= {"views", "adds", "version"} else list(minute.ids)


def _touch_differences(key: MinuteKey, minute: Minute, state: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Ids of the touches that a record has too often, and of those that it lacks."""
    if key.topic != CUSTOMER_FEATURE or _is_approximate(minute):
        return [], []
    found, wanted = Counter(_touches(state)), Counter(touch for touch, _ in minute.touches)
    ids = dict(minute.touches)
    more = [ids.get(touch, f"product {touch[0]} at {touch[1]}") for touch in (found - wanted).elements()]
    return more, [ids[touch] for touch in (wanted - found).elements()]


def _is_approximate(minute: Minute) -> bool:
    """Whether an event of an impossible day is in it: which day its reader made of it is not known."""
    return any(time[4:10] == "-02-30" for time in (minute.latest, *(touch[1] for touch, _ in minute.touches)))


def _touches(state: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    return [(touch["product_id"], touch["event_time"], touch["action"]) for touch in state["products"]]


def _judge_records(
    minutes: Mapping[MinuteKey, Minute],
    sent_for: Mapping[MinuteKey, Counter[str]],
    faulty: set[MinuteKey],
    balance: StageBalance,
) -> None:
    """Each counted event sent a record with its id, also where a later one makes up for it."""
    for key, minute in minutes.items():
        if key in faulty:
            continue
        for event_id in sorted(set(minute.ids) - sent_for[key].keys()):
            balance.add(Word.LOST, event_id, f"counted in {_named(key)}, but no record came with it", [event_id])


def judge_archive(evidence: Evidence, rules: Rules) -> StageBalance:
    """Each feature record is one row of the lake, with the same bytes, or a dead letter."""
    balance = StageBalance(Stage.ARCHIVE)
    for topic in FEATURE_TOPICS:
        records = evidence.topics.get(topic, ())
        letters = {_source(letter) for letter in evidence.topics.get(dlq_name(topic), ())}
        if topic not in evidence.archived:
            if records or Stage.ARCHIVE in rules.demanded:
                balance.unjudged.append(f"{topic} has {len(records)} records, but no table")
            continue
        balance.judged = True
        kept = [seen for seen in records if (seen.partition, seen.offset) not in letters]
        compare_rows(kept, evidence.archived[topic], _record_name, balance)
    return balance


def _source(letter: Seen) -> tuple[int, int]:
    return int(letter.headers.get("source_partition", b"-1")), int(letter.headers.get("source_offset", b"-1"))


def _record_name(seen: Seen) -> str:
    try:
        value = orjson.loads(seen.value or b"")
        return str(value["last_event_id"]) if "last_event_id" in value else f"visit of customer {value['customer_id']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "{}[{}]@{}".format(*seen.coordinate)


def _named(key: MinuteKey) -> str:
    return f"{ENTITY[key.topic].removesuffix('_id')} {key.entity} at {key.bucket}"
