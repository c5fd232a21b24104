from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import orjson

from contracts.reasons import RejectReason
from contracts.topics_names import SHOP_TOPICS
from contracts.validators.validate_kafka_event import Validator
from data_sources.events import DUPLICATE, LATE, SILVER, Events
from data_sources.faults import quarantined
from data_sources.malformed import malformations

_JUDGED_BY_STREAMS = {quarantined(RejectReason.FUTURE), quarantined(RejectReason.ID_CONFLICT)}
_ALLOWED_LATENESS_MS = 7_200_000
_FUTURE_MS = 300_000


def _fates(stream: Events) -> list[str]:
    """The fate of each record, worked out from the records alone: verdict, arrival, first row of an id wins."""
    validators = {topic: Validator(topic) for topic in SHOP_TOPICS}
    seen: dict[str, bytes] = {}
    fates = []
    for topic, value, arrival_ms in zip(stream.topics, stream.values, stream.arrival_ms.tolist(), strict=True):
        refusal = validators[topic].reason(value)
        fates.append(quarantined(refusal.reason) if refusal else _fate(value or b"", arrival_ms, seen))
    return fates


def _fate(value: bytes, arrival_ms: int, seen: dict[str, bytes]) -> str:
    event = orjson.loads(value)
    event_ms = int(np.datetime64(event["event_time"].removesuffix("Z"), "ms").astype(np.int64))
    if event_ms > arrival_ms + _FUTURE_MS:
        return quarantined(RejectReason.FUTURE)
    if event["event_id"] in seen:
        return DUPLICATE if seen[event["event_id"]] == value else quarantined(RejectReason.ID_CONFLICT)
    seen[event["event_id"]] = value
    return LATE if arrival_ms - event_ms > _ALLOWED_LATENESS_MS else SILVER


def test_every_record_has_the_fate_that_the_rules_give_it(stream: Events) -> None:
    assert _fates(stream) == stream.fates


def test_a_wrong_fate_would_be_seen(stream: Events) -> None:
    row = stream.fates.index(LATE)
    planted = replace(stream, fates=[*stream.fates[:row], SILVER, *stream.fates[row + 1 :]])
    assert _fates(planted) != planted.fates


def test_every_kind_of_fault_is_planted_in_every_topic(stream: Events) -> None:
    planted = set(zip(stream.topics, stream.faults, stream.fates, strict=True))
    for topic in SHOP_TOPICS:
        expected = {(kind.name, quarantined(kind.reason)) for kind in malformations(topic)}
        expected |= {("late", LATE), ("out_of_order", SILVER), ("duplicate", DUPLICATE), ("none", SILVER)}
        expected |= {
            ("future", quarantined(RejectReason.FUTURE)),
            ("id_conflict", quarantined(RejectReason.ID_CONFLICT)),
        }
        assert {(fault, fate) for where, fault, fate in planted if where == topic} == expected


def test_the_clean_events_all_reach_silver_or_late_once(stream: Events, clean: dict[str, Events]) -> None:
    for topic, events in clean.items():
        rows = zip(stream.topics, stream.fates, stream.event_ids, stream.values, strict=True)
        kept = [(event_id, value) for where, fate, event_id, value in rows if where == topic and fate in (SILVER, LATE)]
        assert Counter(kept) == Counter(zip(events.event_ids, events.values, strict=True))
        assert len(events.event_ids) == len(set(events.event_ids))


def test_lateness_keeps_clear_of_its_bound(stream: Events) -> None:
    lateness_ms = stream.arrival_ms - stream.event_ms
    fates, faults = np.array(stream.fates), np.array(stream.faults)
    assert lateness_ms[fates == LATE].min() >= _ALLOWED_LATENESS_MS + 15 * 60_000
    assert lateness_ms[fates == SILVER].max() < 10 * 60_000
    assert lateness_ms[fates == DUPLICATE].max() < _ALLOWED_LATENESS_MS - 60_000
    assert lateness_ms[faults == "out_of_order"].min() >= 60_000


def test_shares_are_those_of_the_plan(stream: Events, clean: dict[str, Events]) -> None:
    total = sum(map(len, clean.values()))
    faults = Counter(stream.faults)
    assert abs(faults["late"] / total - 0.005) < 0.002
    assert abs(faults["out_of_order"] / total - 0.05) < 0.005
    assert abs(faults["duplicate"] / total - 0.02) < 0.004
    assert faults["future"] == 16
    assert faults["id_conflict"] == 12


def test_unreadable_records_have_no_event_id_in_the_truth(stream: Events) -> None:
    for fate, event_id, value in zip(stream.fates, stream.event_ids, stream.values, strict=True):
        if fate == quarantined(RejectReason.PARSE):
            assert event_id is None
        if event_id is not None:
            assert value is not None
            assert orjson.loads(value)["event_id"] == event_id


def test_what_the_streams_judge_is_valid_by_contract(stream: Events) -> None:
    validators = {topic: Validator(topic) for topic in SHOP_TOPICS}
    rows = zip(stream.topics, stream.fates, stream.values, strict=True)
    verdicts = {validators[topic].reason(value) for topic, fate, value in rows if fate in _JUDGED_BY_STREAMS}
    assert verdicts == {None}
