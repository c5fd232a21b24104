"""Fraud among the live payments, and what only looks like it; the truth about each case is kept for the checker.

Writes: more `shop.payment.v1`, and `DIR/truth/fraud.parquet`. Grain: one case = a few payment attempts in a row.
Their baskets do not exist and no transaction follows, so the purchases stay those of the source. Coupon abuse is not
planted, because it would have to be baskets: the source has coupon-heavy sequences of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.topics_names import PAYMENT
from data_sources.calendar import Calendar
from data_sources.events import Events, arrival_after, build, concat, rfc3339, rng_of, token_of, uuid_of
from data_sources.payments.fraud_plots import Plot, plots
from data_sources.payments.generate_payments import home_address

FRAUD_FILE = Path("truth") / "fraud.parquet"

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_TAKEN_OVER_AFTER_MS = (30 * _MINUTE_MS, 180 * _MINUTE_MS)
_FIRST_BASKET = 9_000_000_000_000
_INSTANT = pa.timestamp("ms", tz="UTC")


@dataclass(frozen=True)
class FraudCase:
    """The truth about one case: whether the pattern must fire for the subject, and the planted events, oldest first.

    An account takeover's event is the last of those that fire it; the customer's own payments are the others.
    """

    case_id: str
    pattern: str
    fires: bool
    story: str
    subject_kind: str
    subject: str
    customer_id: int
    event_ids: tuple[str, ...]
    first_event_ms: int
    event_ms: int


@dataclass(frozen=True)
class _Habit:
    """What the real payments say about a customer. `approved_ms` is in order."""

    customer_id: int
    device_id: str
    approved_ms: tuple[int, ...]


def plant_fraud(payments: Events, calendar: Calendar, seed: int) -> tuple[Events, list[FraudCase]]:
    """The payments with those of the cases behind them, and the cases.

    A small slice has few customers with enough payments and so fewer account takeovers; other patterns are complete.
    """
    rng = rng_of(seed, "payments", "fraud")
    span_ms = int(calendar.live_start.timestamp()) * 1000 + _DAY_MS, int(calendar.live_end.timestamp()) * 1000 - _DAY_MS
    placed = list(_placed(_habits(payments), span_ms, rng))
    payloads: list[dict[str, object]] = []
    event_ms: list[int] = []
    cases = []
    for number, (plot, habit, start_ms) in enumerate(placed):
        times = [start_ms + step.after_ms for step in plot.steps]
        attempts = _attempts(number, plot, habit, times, seed)
        cases.append(_case(number, plot, habit, times, attempts))
        payloads += attempts
        event_ms += times
    customers = np.array([payload["customer_id"] for payload in payloads], dtype=np.int64)
    instants = np.array(event_ms, dtype=np.int64)
    arrival_ms = arrival_after(instants, rng, low_ms=100, high_ms=900)
    traces = [f"fraud:{payload['basket_id']}" for payload in payloads]
    return concat([payments, build(PAYMENT, payloads, customers, instants, arrival_ms, traces)]), cases


def write_fraud(out: Path, cases: Sequence[FraudCase]) -> None:
    """Write the truth about the cases. Grain: one row a case."""
    columns = list(zip(*map(astuple, cases), strict=True))
    types = (
        pa.string(),
        pa.string(),
        pa.bool_(),
        pa.string(),
        pa.string(),
        pa.string(),
        pa.int64(),
        pa.list_(pa.string()),
    )
    times = [pa.array(column, pa.int64()).cast(_INSTANT) for column in columns[-2:]]
    arrays = [pa.array(column, kind) for column, kind in zip(columns[:-2], types, strict=True)]
    names = ["case_id", "pattern", "fires", "story", "subject_kind", "subject", "customer_id", "event_ids"]
    (out / FRAUD_FILE).parent.mkdir(parents=True, exist_ok=True)
    table = pa.table([*arrays, *times], names=[*names, "first_event_time", "event_time"])
    pq.write_table(table, out / FRAUD_FILE, compression="zstd")


def _habits(payments: Events) -> list[_Habit]:
    """Of each customer, in the order of their ids."""
    devices: dict[int, str] = {}
    approved: dict[int, list[int]] = defaultdict(list)
    for value, event_ms in zip(payments.values, payments.event_ms.tolist(), strict=True):
        payment = orjson.loads(value or b"{}")
        devices[payment["customer_id"]] = payment["device_id"]
        if payment["outcome"] == "approved":
            approved[payment["customer_id"]].append(event_ms)
    return [_Habit(who, devices[who], tuple(sorted(approved[who]))) for who in sorted(devices)]


def _placed(
    habits: list[_Habit], span_ms: tuple[int, int], rng: np.random.Generator
) -> Iterator[tuple[Plot, _Habit, int]]:
    """Each plot with its customer and start. Takeovers have customers of their own: half of all, each once."""
    shuffled = [habits[n] for n in rng.permutation(len(habits)).tolist()]
    victims, others = shuffled[: len(habits) // 2], shuffled[len(habits) // 2 :]
    for plot in plots(rng):
        if plot.known is None:
            yield plot, others[int(rng.integers(len(others)))], int(rng.integers(*span_ms))
            continue
        after_ms = int(rng.integers(*_TAKEN_OVER_AFTER_MS))
        victim = next((habit for habit in victims if _fits(habit, plot.known, span_ms[1] - after_ms)), None)
        if victim is not None:
            victims.remove(victim)
            yield plot, victim, victim.approved_ms[plot.known - 1] + after_ms


def _fits(habit: _Habit, known: int, before_ms: int) -> bool:
    """Whether the customer's payment number `known` is early enough, and the next one not too soon after it."""
    times = habit.approved_ms
    alone = len(times) == known or (len(times) > known and times[known] - times[known - 1] > _TAKEN_OVER_AFTER_MS[1])
    return alone and times[known - 1] < before_ms


def _attempts(number: int, plot: Plot, habit: _Habit, times: list[int], seed: int) -> list[dict[str, object]]:
    own = f"{seed}:fraud:{number}"
    return [
        {
            "event_id": uuid_of(f"{own}:{attempt}"),
            "event_time": time,
            "payment_id": f"pay-{_FIRST_BASKET + number}",
            "basket_id": _FIRST_BASKET + number,
            "customer_id": habit.customer_id,
            "attempt": attempt,
            "outcome": "approved" if step.approved else "declined",
            "decline_reason": None if step.approved else "suspected_fraud",
            "amount_cents": step.cents,
            "currency": "USD",
            "card_token": token_of("card", f"{own}:{step.card}"),
            "device_id": token_of("device", own) if step.new_device else habit.device_id,
            "region": f"region-{step.region}",
            "address_token": token_of("address", own) if step.new_address else home_address(habit.customer_id, seed),
        }
        for attempt, (step, time) in enumerate(zip(plot.steps, rfc3339(np.array(times)), strict=True), start=1)
    ]


def _case(number: int, plot: Plot, habit: _Habit, times: list[int], attempts: list[dict[str, object]]) -> FraudCase:
    subject = {
        "card": attempts[0]["card_token"], "device": attempts[0]["device_id"], "customer": habit.customer_id,
    }[plot.subject_kind]  # fmt: skip
    return FraudCase(
        case_id=f"case-{number:03}",
        pattern=plot.pattern,
        fires=plot.fires,
        story=plot.story,
        subject_kind=plot.subject_kind,
        subject=str(subject),
        customer_id=habit.customer_id,
        event_ids=tuple(str(attempt["event_id"]) for attempt in attempts),
        first_event_ms=times[0],
        event_ms=times[-1],
    )
