"""The live weeks as transactions, each arriving seconds after it was paid.

Writes: `shop.transaction.v1`, key customer_id. Grain: one event a basket of the Complete Journey data.
"""

from __future__ import annotations

from contracts.topics_names import TRANSACTION
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import Events, arrival_after, build, rng_of
from data_sources.pos_logs.archive import transaction_payloads


def simulate_pos(lines: Lines, calendar: Calendar, seed: int) -> Events:
    """One transaction event a basket of `lines`. It shares the trace of the basket's visit."""
    starts = lines.basket_starts()
    event_ms = lines.event_ms[starts]
    return build(
        TRANSACTION,
        list(transaction_payloads(lines, calendar)),
        lines.customer_id[starts],
        event_ms,
        arrival_after(event_ms, rng_of(seed, "pos", "arrival"), low_ms=200, high_ms=4000),
        map(basket_trace, lines.basket_id[starts].tolist()),
    )


def basket_trace(basket_id: int) -> str:
    """The trace seed that a basket's clicks, payments and transaction share."""
    return f"basket:{basket_id}"
