from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from contracts.topics_names import CLICK, PAYMENT, TRANSACTION

Payloads = Callable[[str], list[dict[str, Any]]]


def _by_basket(events: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    grouped = defaultdict(list)
    for event in events:
        grouped[event["basket_id"]].append(event)
    return grouped


def test_every_basket_is_paid_once_after_its_declines(payloads: Payloads) -> None:
    attempts = _by_basket(payloads(PAYMENT))
    transactions = {e["basket_id"]: e for e in payloads(TRANSACTION)}
    assert attempts.keys() == transactions.keys()
    for basket, tried in attempts.items():
        assert [e["attempt"] for e in tried] == list(range(1, len(tried) + 1))
        assert [e["outcome"] for e in tried] == ["declined"] * (len(tried) - 1) + ["approved"]
        assert {e["amount_cents"] for e in tried} == {transactions[basket]["total_cents"]}
        assert {e["payment_id"] for e in tried} == {f"pay-{basket}"}


def test_attempts_lie_between_checkout_and_transaction(payloads: Payloads) -> None:
    checkout = {e["basket_id"]: e["event_time"] for e in payloads(CLICK) if e["action"] == "checkout"}
    paid = {e["basket_id"]: e["event_time"] for e in payloads(TRANSACTION)}
    for basket, tried in _by_basket(payloads(PAYMENT)).items():
        times = [checkout[basket], *(e["event_time"] for e in tried), paid[basket]]
        assert times == sorted(set(times))


def test_a_customer_has_one_device_and_at_most_two_cards(payloads: Payloads) -> None:
    cards, devices = defaultdict(set), defaultdict(set)
    for event in payloads(PAYMENT):
        cards[event["customer_id"]].add(event["card_token"])
        devices[event["customer_id"]].add(event["device_id"])
    assert {len(tokens) for tokens in devices.values()} == {1}
    assert max(len(tokens) for tokens in cards.values()) <= 2
    assert len(set.union(*cards.values())) == sum(len(tokens) for tokens in cards.values())


def test_some_attempts_are_declined(payloads: Payloads) -> None:
    outcomes = Counter(event["outcome"] for event in payloads(PAYMENT))
    assert 0 < outcomes["declined"] < 0.15 * outcomes["approved"]
