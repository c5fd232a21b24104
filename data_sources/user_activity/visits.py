"""Plans visits: who comes when, and which products are looked for, looked at, added and put back.

A visit around a basket ends with the basket's checkout and adds exactly its products. A browse-only visit draws from
what the customer bought in the last weeks of history; it never looks at a live basket.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_sources.arrays import Bools, Ints, number_within
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import rng_of, token_of
from data_sources.pos_logs.simulate_pos import basket_trace
from data_sources.user_activity.shelves import Shelves

_MAX_SPAN_MS = 45 * 60_000
# The checkout precedes every payment attempt: see payments/generate_payments.py.
_CHECKOUT_BEFORE_MS = (90_000, 120_000)
_BROWSE_MARGIN_MS = 3_600_000
_PUT_BACK_SHARE = 0.10
_NEIGHBOUR_SHARE = 0.25
_BROWSE_ITEMS = (2, 8)


@dataclass(frozen=True)
class Visits:
    """Grain: one entry a visit. `basket_id` is 0 for browse-only visits; `span_ms` is the longest span allowed.

    Units: epoch milliseconds, UTC.
    """

    session_id: list[str]
    trace: list[str]
    customer_id: Ints
    basket_id: Ints
    end_ms: Ints
    span_ms: Ints

    def __len__(self) -> int:
        return len(self.session_id)


@dataclass(frozen=True)
class Items:
    """What a visitor does about one product, or the checkout. Grain: visit x step, in the order of the visit.

    `beside` is the number of other products shown with it, -1 when no list was shown.
    """

    visit: Ints
    product_id: Ints
    search: Bools
    beside: Ints
    view: Bools
    add: Bools
    remove: Bools
    checkout: Bools


def basket_visits(lines: Lines, calendar: Calendar, seed: int) -> Visits:
    """One visit a basket, over before the first payment attempt and begun after the live start."""
    starts = lines.basket_starts()
    before = rng_of(seed, "visits", "checkout").integers(*_CHECKOUT_BEFORE_MS, len(starts))
    end_ms = lines.event_ms[starts] - before
    room = np.maximum(end_ms - _start_ms(calendar), 0)
    baskets = lines.basket_id[starts]
    return Visits(
        session_id=[token_of("visit", f"{seed}:basket:{basket}") for basket in baskets.tolist()],
        trace=[basket_trace(basket) for basket in baskets.tolist()],
        customer_id=lines.customer_id[starts],
        basket_id=baskets,
        end_ms=end_ms,
        span_ms=np.minimum(room, _MAX_SPAN_MS),
    )


def basket_items(lines: Lines, shelves: Shelves, seed: int) -> Items:
    """The products of each basket in a random order, some products put back again, then the checkout."""
    rng = rng_of(seed, "visits", "basket-items")
    starts = lines.basket_starts()
    visit = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(lines)]))
    back_visit, back_product = _put_back(lines, visit, starts, shelves, rng)
    count, back = len(lines), len(back_visit)
    order = np.lexsort(
        (np.r_[rng.random(count + back), np.full(len(starts), 2.0)], np.r_[visit, back_visit, np.arange(len(starts))])
    )
    kind = np.r_[np.zeros(count, np.int64), np.ones(back, np.int64), np.full(len(starts), 2)][order]
    return _with_lists(
        visit=np.r_[visit, back_visit, np.arange(len(starts))][order],
        product_id=np.r_[lines.product_id, back_product, lines.product_id[starts]][order],
        add=kind < 2,
        remove=kind == 1,
        checkout=kind == 2,
        shares=(0.06, 0.14, 0.30),
        shelves=shelves,
        rng=rng,
    )


def browse_visits(recent: Lines, live: Lines, calendar: Calendar, seed: int) -> Visits:
    """Visits without a basket: about 0.3 a week and customer, and 0.3 more for each basket a week in `recent`.

    They fall at the hours at which the shop is busy, at least an hour inside the live weeks.
    """
    rng = rng_of(seed, "visits", "browse")
    customers, orders = np.unique(recent.customer_id[recent.basket_starts()], return_counts=True)
    weeks = (calendar.live_end - calendar.live_start).days / 7
    counts = rng.poisson(weeks * (0.3 + 0.3 * np.minimum(orders / 13, 3.0)))
    customer = np.repeat(customers, counts)
    number = number_within(customer)
    busy = live.event_ms[live.basket_starts()][rng.integers(0, len(live.basket_starts()), len(customer))]
    wanted = busy + rng.integers(-3 * _BROWSE_MARGIN_MS, 3 * _BROWSE_MARGIN_MS, len(customer))
    first, last = _start_ms(calendar) + _BROWSE_MARGIN_MS, int(calendar.live_end.timestamp()) * 1000 - _BROWSE_MARGIN_MS
    names = [f"{seed}:browse:{who}:{n}" for who, n in zip(customer.tolist(), number.tolist(), strict=True)]
    return Visits(
        session_id=[token_of("visit", name) for name in names],
        trace=names,
        customer_id=customer,
        basket_id=np.zeros(len(customer), dtype=np.int64),
        end_ms=np.clip(wanted, first, last),
        span_ms=np.full(len(customer), _BROWSE_MARGIN_MS // 2),
    )


def browse_items(visits: Visits, recent: Lines, shelves: Shelves, seed: int) -> Items:
    """A few products a visit: three quarters were bought before by the customer, the others stand beside those."""
    rng = rng_of(seed, "visits", "browse-items")
    visit = np.repeat(np.arange(len(visits)), rng.integers(*_BROWSE_ITEMS, len(visits)))
    by_customer = np.argsort(recent.customer_id, kind="stable")
    owner = recent.customer_id[by_customer]
    first = np.searchsorted(owner, visits.customer_id, side="left")[visit]
    last = np.searchsorted(owner, visits.customer_id, side="right")[visit]
    product = recent.product_id[by_customer][first + (rng.random(len(visit)) * (last - first)).astype(np.int64)]
    strays = (rng.random(len(visit)) < _NEIGHBOUR_SHARE) & (shelves.room_beside(product) > 0)
    product = np.where(strays, shelves.neighbour(product, np.ones(len(visit), dtype=np.int64)), product)
    add = rng.random(len(visit)) < 0.12
    return _with_lists(
        visit=visit,
        product_id=product,
        add=add,
        remove=add & (rng.random(len(visit)) < 0.4),
        checkout=np.zeros(len(visit), dtype=np.bool_),
        shares=(0.20, 0.70, 0.55),
        shelves=shelves,
        rng=rng,
    )


def _with_lists(
    *,
    visit: Ints,
    product_id: Ints,
    add: Bools,
    remove: Bools,
    checkout: Bools,
    shares: tuple[float, float, float],
    shelves: Shelves,
    rng: np.random.Generator,
) -> Items:
    """Add searches, lists and views in the given shares of the items; a search always shows a list."""
    search = (rng.random(len(visit)) < shares[0]) & ~checkout
    listed = (search | (rng.random(len(visit)) < shares[1])) & ~checkout
    beside = np.minimum(rng.integers(1, 4, len(visit)), shelves.room_beside(product_id))
    viewed = rng.random(len(visit)) < shares[2]
    # An item that shows in nothing else is at least looked at: no visit is without events.
    view = (viewed | ~(listed | add)) & ~checkout
    return Items(visit, product_id, search, np.where(listed, beside, -1), view, add, remove, checkout)


def _put_back(lines: Lines, visit: Ints, starts: Ints, shelves: Shelves, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Products added and removed again: neighbours of a basket's first product that the basket does not hold."""
    chosen = np.flatnonzero(rng.random(len(starts)) < _PUT_BACK_SHARE)
    product = shelves.neighbour(lines.product_id[starts[chosen]], np.ones(len(chosen), dtype=np.int64))
    bought = set(zip(visit.tolist(), lines.product_id.tolist(), strict=True))
    fresh = [pair not in bought for pair in zip(chosen.tolist(), product.tolist(), strict=True)]
    return chosen[fresh], product[fresh]


def _start_ms(calendar: Calendar) -> int:
    return int(calendar.live_start.timestamp()) * 1000
