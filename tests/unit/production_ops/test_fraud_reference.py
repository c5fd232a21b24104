from __future__ import annotations

from typing import Any

import orjson
import pytest

from contracts.topics_names import FRAUD_ALERT, PAYMENT
from contracts.validators.validate_kafka_event import Validator
from production_ops.proofs.fraud_reference import Event, accepted_events, expected_alerts
from shared_utils.records import Received
from stream_processing.core.fraud_rules import load_rules
from tests.fakes.fraud_events import START_MS, payment, purchase

MINUTE = 60_000
BOUND = 10 * MINUTE


def alerts_of(pattern: str, payments: list[Event], purchases: list[Event] | None = None) -> list[Event]:
    found = expected_alerts(load_rules(), payments, purchases or [])
    validator = Validator(FRAUD_ALERT)
    assert all(validator.reason(orjson.dumps(alert)) is None for alert in found)
    return [alert for alert in found if alert["pattern"] == pattern]


def tried(outcomes: str, span_ms: int = BOUND - 1, **changes: Any) -> list[Event]:
    """One payment a letter, `d`eclined or `a`pproved, the last one `span_ms` after the first."""
    words = {"d": "declined", "a": "approved"}
    times = [*range(START_MS, START_MS + len(outcomes) - 1), START_MS + span_ms]
    return [payment(ms, outcome=words[letter], **changes) for ms, letter in zip(times, outcomes, strict=True)]


@pytest.mark.parametrize(
    ("outcomes", "span_ms", "events"),
    [
        ("dddda", BOUND - 1, 5), ("dddda", BOUND, 0), ("ddda", 1000, 0), ("ddddd", 1000, 0), ("ddadda", 1000, 0),
        ("addddda", 1000, 6), ("ddddda", BOUND, 5), ("ddddaa", 1000, 5),
    ],
)  # fmt: skip
def test_card_testing_is_enough_declines_and_then_an_approval(outcomes: str, span_ms: int, events: int) -> None:
    found = alerts_of("card_testing", tried(outcomes, span_ms))
    assert [len(alert["event_ids"]) for alert in found] == [events] * bool(events)


def test_card_testing_in_words() -> None:
    (alert,) = alerts_of("card_testing", tried("dddda", 61_000, amount_cents=105))
    assert alert["sentence"] == "Card card-1 was declined 4 times and then approved for 1.05 USD, all within 61 s."
    assert alert["amount_cents"] == 105


@pytest.mark.parametrize(("cards", "span_ms", "fires"), [("abcd", 599_999, 1), ("abcd", BOUND, 0), ("abccab", 9, 0)])
def test_velocity_is_many_cards_on_a_device(cards: str, span_ms: int, fires: int) -> None:
    events = tried("a" * len(cards), span_ms)
    assert len(alerts_of("velocity", [{**e, "card_token": c} for e, c in zip(events, cards, strict=True)])) == fires


def test_matches_do_not_overlap_and_the_earliest_wins() -> None:
    cards = [{**e, "card_token": c} for e, c in zip(tried("aaaaaaaaaa", 1000), "aabcdeafgh", strict=True)]
    found = alerts_of("velocity", cards)
    assert [len(alert["event_ids"]) for alert in found] == [5, 4]


@pytest.mark.parametrize(
    ("regions", "span_ms", "fires"),
    [((0, 4), BOUND - 1, 1), ((0, 4), BOUND, 0), ((0, 1), 1, 0), ((0, 99), 1, 0), ((0, 0, 4), 9, 1), ((0, 1, 2), 9, 0)],
)
def test_travel_is_two_payments_far_apart(regions: tuple[int, ...], span_ms: int, fires: int) -> None:
    events = tried("a" * len(regions), span_ms)
    there = [{**event, "region": f"region-{region}"} for event, region in zip(events, regions, strict=True)]
    assert len(alerts_of("impossible_travel", there)) == fires


def test_coupons_count_with_the_shops_match_and_only_in_heavy_baskets() -> None:
    cents = [100, 99, 100, 100]
    baskets = [purchase(START_MS + n, each) for n, each in enumerate(cents)]
    (alert,) = alerts_of("coupon_abuse", [], baskets)
    assert (alert["amount_cents"], len(alert["event_ids"]), alert["subject"]) == (300, 3, "1")
    assert alerts_of("coupon_abuse", [], [purchase(START_MS + n, 100, total_cents=9901) for n in range(3)]) == []
    week = 7 * 86_400_000
    apart = [purchase(START_MS + n * week // 2, 100) for n in range(3)]
    assert alerts_of("coupon_abuse", [], apart) == []


NEW = {"device_id": "new", "address_token": "new", "amount_cents": 15_000}


@pytest.mark.parametrize(
    ("known", "last", "fires"),
    [
        (3, NEW, 1), (2, NEW, 0), (3, {**NEW, "amount_cents": 14_999}, 0), (3, {**NEW, "device_id": "device-1"}, 0),
        (3, {**NEW, "address_token": "address-1"}, 0), (3, {**NEW, "address_token": None}, 0),
        (3, {**NEW, "outcome": "declined"}, 0),
    ],
)  # fmt: skip
def test_a_takeover_is_new_in_device_and_address_and_large(known: int, last: dict[str, Any], fires: int) -> None:
    before = tried("a" * known, 50)
    assert len(alerts_of("account_takeover", [*before, payment(START_MS + MINUTE, **last)])) == fires


def test_order_of_arrival_and_ties_do_not_matter() -> None:
    events = tried("dddda", 4)
    assert alerts_of("card_testing", events[::-1]) == alerts_of("card_testing", events)
    tied = [{**event, "event_time": events[0]["event_time"]} for event in events]
    assert len(alerts_of("card_testing", tied[::-1])) == 1  # by event_id


def _received(event: Event, arrival_ms: int, partition: int = 0) -> Received:
    return Received(PAYMENT, b"1", orjson.dumps(event), arrival_ms, {}, partition, 0)


def test_only_valid_first_timely_events_are_accepted() -> None:
    good = payment(START_MS)
    records = [
        _received(good, START_MS),
        _received({**good, "amount_cents": 9}, START_MS + 1),  # a repeat
        _received(payment(START_MS + 400_000), START_MS + 2),  # from the future
        _received({**payment(START_MS + 3), "debug": 1}, START_MS + 3),  # not by contract
        Received(PAYMENT, b"1", None, START_MS + 4, {}, 0, 0),
        _received(payment(START_MS + 60_005), START_MS + 60_005),
        _received(payment(START_MS + 50_005), START_MS + 60_005),  # ten seconds late
        _received(payment(START_MS + 50_006), START_MS + 60_005),
        _received(payment(START_MS + 7), START_MS + 8, partition=1),  # another partition
    ]
    accepted = accepted_events(records, lateness_seconds=10)
    assert [event["event_time"] for event in accepted] == [
        payment(ms)["event_time"] for ms in (START_MS, START_MS + 60_005, START_MS + 50_006, START_MS + 7)
    ]
    assert len(accepted_events(records)) == 5
