"""Payment attempts for each live basket: most approved at once, some declined and tried again.

Writes: `shop.payment.v1`, key customer_id. Grain: one event an attempt; the last attempt of a basket is approved and
lies before its transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contracts.topics_names import PAYMENT
from data_sources.arrays import Bools, Ints, lookup, number_within
from data_sources.complete_journey import Lines
from data_sources.events import Events, arrival_after, build, rfc3339, rng_of, token_of, uuid_of
from data_sources.pos_logs.simulate_pos import basket_trace

REASONS = ("insufficient_funds", "issuer_unavailable", "expired_card", "suspected_fraud")
_REASON_SHARES = (0.55, 0.25, 0.15, 0.05)
_ATTEMPT_SHARES = (0.945, 0.045, 0.010)
_OTHER_CARD_SHARE = 0.08
_OTHER_REGION_SHARE = 0.02
_GIFT_SHARE = 0.02
_REGIONS = 8
# The last attempt falls 1..4 s before the transaction, earlier ones 10..40 s apart; the visit's checkout precedes all.
_LAST_BEFORE_MS = (1_000, 4_000)
_BETWEEN_MS = (10_000, 40_000)


@dataclass(frozen=True)
class _Attempts:
    """Grain: one entry an attempt; `basket` is the row of its basket."""

    basket: Ints
    attempt: Ints
    approved: Bools
    event_ms: Ints


def generate_payments(lines: Lines, seed: int) -> Events:
    """The payment attempts of every basket of `lines`, oldest basket first."""
    starts = lines.basket_starts()
    attempts = _attempts(lines.event_ms[starts], rng_of(seed, "payments", "attempts"))
    customer = lines.customer_id[starts][attempts.basket]
    basket = lines.basket_id[starts][attempts.basket]
    amount = np.add.reduceat(lines.sales_cents, starts)[attempts.basket]
    payloads = _payloads(attempts, basket, customer, amount, lines.store_id[starts][attempts.basket], seed)
    for payload, address in zip(payloads, _addresses(lines, starts, attempts, seed), strict=True):
        payload["address_token"] = address
    arrival_ms = arrival_after(attempts.event_ms, rng_of(seed, "payments", "arrival"), low_ms=100, high_ms=900)
    return build(PAYMENT, payloads, customer, attempts.event_ms, arrival_ms, map(basket_trace, basket.tolist()))


def home_address(customer_id: int, seed: int) -> str:
    """The token of the address to which a customer's baskets usually go."""
    return token_of("address", f"{seed}:{customer_id}")


def _addresses(lines: Lines, starts: Ints, attempts: _Attempts, seed: int) -> list[str]:
    """The customer's own address, and for a few baskets, as a gift, another one."""
    gift = rng_of(seed, "payments", "addresses").random(len(starts)) < _GIFT_SHARE
    baskets = zip(lines.basket_id[starts].tolist(), lines.customer_id[starts].tolist(), gift.tolist(), strict=True)
    tokens = [
        token_of("address", f"{seed}:gift:{basket}") if is_gift else home_address(customer, seed)
        for basket, customer, is_gift in baskets
    ]
    return [tokens[basket] for basket in attempts.basket.tolist()]


def _attempts(paid_ms: Ints, rng: np.random.Generator) -> _Attempts:
    counts = rng.choice([1, 2, 3], len(paid_ms), p=_ATTEMPT_SHARES)
    basket = np.repeat(np.arange(len(paid_ms)), counts)
    attempt = number_within(basket) + 1
    still_to_come = counts[basket] - attempt
    before = rng.integers(*_LAST_BEFORE_MS, len(paid_ms))[basket]
    between = rng.integers(*_BETWEEN_MS, len(paid_ms))[basket]
    return _Attempts(basket, attempt, still_to_come == 0, paid_ms[basket] - before - still_to_come * between)


def _payloads(
    attempts: _Attempts, basket: Ints, customer: Ints, amount: Ints, store: Ints, seed: int
) -> list[dict[str, object]]:
    rng = rng_of(seed, "payments", "details")
    reasons = rng.choice(REASONS, len(basket), p=_REASON_SHARES).tolist()
    card_keys = customer * 2 + _chance(rng, basket, _OTHER_CARD_SHARE)
    cards = lookup(lambda key: token_of("card", f"{seed}:{key}"), card_keys)
    devices = lookup(lambda key: token_of("device", f"{seed}:{key}"), customer)
    home = store % _REGIONS
    regions = lookup(_region, np.where(_chance(rng, basket, _OTHER_REGION_SHARE), (home + 1) % _REGIONS, home))
    columns = (basket, customer, attempts.attempt, attempts.approved, amount)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    texts = zip(rfc3339(attempts.event_ms), reasons, cards, devices, regions, strict=True)
    return [
        {
            "event_id": uuid_of(f"{seed}:payment:{basket_id}:{attempt}"),
            "event_time": time,
            "payment_id": f"pay-{basket_id}",
            "basket_id": basket_id,
            "customer_id": customer_id,
            "attempt": attempt,
            "outcome": "approved" if approved else "declined",
            "decline_reason": None if approved else reason,
            "amount_cents": cents,
            "currency": "USD",
            "card_token": card,
            "device_id": device,
            "region": region,
        }
        for (basket_id, customer_id, attempt, approved, cents), (time, reason, card, device, region) in zip(
            rows, texts, strict=True
        )
    ]


def _chance(rng: np.random.Generator, like: Ints, share: float) -> Bools:
    return rng.random(len(like)) < share


def _region(number: int) -> str:
    return f"region-{number}"
