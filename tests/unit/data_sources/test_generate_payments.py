from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from contracts.topics_names import CLICK, PAYMENT, TRANSACTION
from data_sources.complete_journey import Lines
from data_sources.payments.generate_payments import generate_payments, home_address
from tests.unit.data_sources.conftest import SEED

Payloads = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def payments(live_lines: Lines) -> list[dict[str, Any]]:
    """The payments of real baskets, without planted fraud."""
    return [orjson.loads(value or b"") for value in generate_payments(live_lines, SEED).values]


def _by_basket(events: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    grouped = defaultdict(list)
    for event in events:
        grouped[event["basket_id"]].append(event)
    return grouped


def test_every_basket_is_paid_once_after_its_declines(payments: list[dict[str, Any]], payloads: Payloads) -> None:
    attempts = _by_basket(payments)
    transactions = {e["basket_id"]: e for e in payloads(TRANSACTION)}
    assert attempts.keys() == transactions.keys()
    for basket, tried in attempts.items():
        assert [e["attempt"] for e in tried] == list(range(1, len(tried) + 1))
        assert [e["outcome"] for e in tried] == ["declined"] * (len(tried) - 1) + ["approved"]
        assert {e["amount_cents"] for e in tried} == {transactions[basket]["total_cents"]}
        assert {e["payment_id"] for e in tried} == {f"pay-{basket}"}


def test_attempts_lie_between_checkout_and_transaction(payments: list[dict[str, Any]], payloads: Payloads) -> None:
    checkout = {e["basket_id"]: e["event_time"] for e in payloads(CLICK) if e["action"] == "checkout"}
    paid = {e["basket_id"]: e["event_time"] for e in payloads(TRANSACTION)}
    for basket, tried in _by_basket(payments).items():
        times = [checkout[basket], *(e["event_time"] for e in tried), paid[basket]]
        assert times == sorted(set(times))


def test_a_customer_has_one_device_and_at_most_two_cards(payments: list[dict[str, Any]]) -> None:
    cards, devices = defaultdict(set), defaultdict(set)
    for event in payments:
        cards[event["customer_id"]].add(event["card_token"])
        devices[event["customer_id"]].add(event["device_id"])
    assert {len(tokens) for tokens in devices.values()} == {1}
    assert max(len(tokens) for tokens in cards.values()) <= 2
    assert len(set.union(*cards.values())) == sum(len(tokens) for tokens in cards.values())


def test_some_attempts_are_declined(payments: list[dict[str, Any]]) -> None:
    outcomes = Counter(event["outcome"] for event in payments)
    assert 0 < outcomes["declined"] < 0.15 * outcomes["approved"]


def test_most_baskets_go_home_and_some_are_gifts(payments: list[dict[str, Any]]) -> None:
    home = [event["address_token"] == home_address(event["customer_id"], SEED) for event in payments]
    assert 0 < home.count(False) < 0.1 * len(home)
    assert all(len({event["address_token"] for event in tried}) == 1 for tried in _by_basket(payments).values())


def test_planted_payments_only_come_behind_the_real_ones(payments: list[dict[str, Any]], payloads: Payloads) -> None:
    every = payloads(PAYMENT)
    assert every[: len(payments)] == payments
    assert {event["basket_id"] for event in every[len(payments) :]}.isdisjoint(_by_basket(payments))
