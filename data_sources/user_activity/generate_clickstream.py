"""Click sessions: one around each live basket, and browse-only ones.

Writes: `shop.click.v1`, key customer_id. Grain: one event an action. In a basket's session the products added and not
removed are the basket's lines, and the last action is its checkout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from contracts.topics_names import CLICK
from data_sources.arrays import Bools, Ints, number_within, run_starts, run_stops
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import Events, arrival_after, build, concat, rfc3339, rng_of, uuid_of
from data_sources.user_activity.shelves import Shelves
from data_sources.user_activity.visits import (
    Items,
    Visits,
    basket_items,
    basket_visits,
    browse_items,
    browse_visits,
)

ACTIONS = ("search", "impression", "view", "add", "remove", "checkout")
SEARCH, IMPRESSION, VIEW, ADD, REMOVE, CHECKOUT = range(6)
DEVICES = ("mobile", "desktop", "tablet")
_DEVICE_SHARES = (0.62, 0.30, 0.08)
_OTHER_DEVICE_SHARE = 0.10
_MAX_POSITION = 12
_MEAN_GAP_MS = 9_000
_GAP_BOUNDS_MS = (1_000, 60_000)
# The rows of one list are seen nearly at once.
_IMPRESSION_GAP_MS = 60


@dataclass(frozen=True)
class _Clicks:
    """Grain: one entry an event, in the order of the visits. 0 stands for "no value"."""

    visit: Ints
    sequence: Ints
    action: Ints
    product_id: Ints
    position: Ints
    category: Ints
    page: list[str]
    event_ms: Ints


def generate_clickstream(recent: Lines, live: Lines, shelves: Shelves, calendar: Calendar, seed: int) -> Events:
    """All click events of the live weeks. `recent` is the history that tastes come from."""
    around = basket_visits(live, calendar, seed)
    browsing = browse_visits(recent, live, calendar, seed)
    return concat(
        [
            _click_events(around, basket_items(live, shelves, seed), shelves, seed, "basket"),
            _click_events(browsing, browse_items(browsing, recent, shelves, seed), shelves, seed, "browse"),
        ]
    )


def _click_events(visits: Visits, items: Items, shelves: Shelves, seed: int, kind: str) -> Events:
    clicks = _expand(visits, items, shelves, rng_of(seed, "clicks", kind))
    payloads = list(_payloads(visits, clicks, shelves, seed))
    return build(
        CLICK,
        payloads,
        visits.customer_id[clicks.visit],
        clicks.event_ms,
        arrival_after(clicks.event_ms, rng_of(seed, "clicks", kind, "arrival")),
        (visits.trace[visit] for visit in clicks.visit.tolist()),
    )


def _expand(visits: Visits, items: Items, shelves: Shelves, rng: np.random.Generator) -> _Clicks:
    """Turn each item into its events: search, list, view, add, remove, checkout, as far as they apply."""
    counts = np.stack([items.search, items.beside + 1, items.view, items.add, items.remove, items.checkout], axis=1)
    counts = counts.astype(np.int64)
    action = np.repeat(np.tile(np.arange(len(ACTIONS)), len(counts)), counts.ravel())
    item = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    place = number_within(item * len(ACTIONS) + action)
    first, own = _list_places(items, rng)
    is_impression = action == IMPRESSION
    # Neighbours take the places 0 .. beside without the product's own place.
    step = place + 1 - (place > own[item])
    product = items.product_id[item]
    shown = np.where(is_impression & (place != own[item]), shelves.neighbour(product, step), product)
    visit = items.visit[item]
    return _Clicks(
        visit=visit,
        sequence=number_within(visit),
        action=action,
        product_id=np.where((action == SEARCH) | (action == CHECKOUT), 0, shown),
        position=np.where(is_impression, first[item] + place, 0),
        category=shelves.category_of(product),
        page=_pages(action, items.search[item], items.beside[item] >= 0, items.view[item]),
        event_ms=_times(visits, visit, is_impression, rng),
    )


def _list_places(items: Items, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The position of the first row shown, and the product's own place (from 0) among the rows."""
    position = np.minimum(rng.geometric(0.3, len(items.visit)), _MAX_POSITION)
    own = np.minimum(rng.integers(0, 4, len(items.visit)), np.minimum(position - 1, np.maximum(items.beside, 0)))
    return position - own, own


def _times(visits: Visits, visit: Ints, is_impression: Bools, rng: np.random.Generator) -> Ints:
    """Event times that end on the visit's end and stay inside its span."""
    gaps = np.clip(rng.exponential(_MEAN_GAP_MS, len(visit)), *_GAP_BOUNDS_MS).astype(np.int64)
    gaps[is_impression] = _IMPRESSION_GAP_MS
    passed = np.cumsum(gaps)
    at_end = passed[run_stops(visit) - 1]
    to_end = at_end[visit] - passed
    total = np.maximum(at_end - passed[run_starts(visit)], 1)
    scale = np.minimum(1.0, visits.span_ms / total)
    times: Ints = visits.end_ms[visit] - (to_end * scale[visit]).astype(np.int64)
    return times


def _pages(action: Ints, searched: Bools, listed: Bools, viewed: Bools) -> list[str]:
    """The page of each event: lists stand on the search page or a shelf, an add happens where the product was seen."""
    shelf = np.where(searched, "search", np.where(listed, "shelf", "home"))
    by_action = [
        action == SEARCH,
        action == IMPRESSION,
        action == VIEW,
        (action == ADD) & viewed,
        action == ADD,
    ]
    pages: list[str] = np.select(by_action, ["search", shelf, "product", "product", shelf], "cart").tolist()
    return pages


def _devices(visits: Visits, rng: np.random.Generator) -> list[str]:
    customers, row = np.unique(visits.customer_id, return_inverse=True)
    usual = rng.choice(DEVICES, len(customers), p=_DEVICE_SHARES)[row]
    other = rng.choice(DEVICES, len(visits), p=_DEVICE_SHARES)
    devices: list[str] = np.where(rng.random(len(visits)) < _OTHER_DEVICE_SHARE, other, usual).tolist()
    return devices


def _payloads(visits: Visits, clicks: _Clicks, shelves: Shelves, seed: int) -> Iterator[dict[str, object]]:
    devices = _devices(visits, rng_of(seed, "clicks", "devices"))
    customers, baskets = visits.customer_id.tolist(), visits.basket_id.tolist()
    columns = (clicks.visit, clicks.sequence, clicks.action, clicks.product_id, clicks.position, clicks.category)
    rows = zip(*(column.tolist() for column in columns), clicks.page, rfc3339(clicks.event_ms), strict=True)
    for visit, sequence, action, product, position, category, page, time in rows:
        session = visits.session_id[visit]
        yield {
            "event_id": uuid_of(f"{seed}:click:{session}:{sequence}"),
            "event_time": time,
            "session_id": session,
            "customer_id": customers[visit],
            "action": ACTIONS[action],
            "product_id": product or None,
            "position": position or None,
            "query": shelves.words[category] if action == SEARCH else None,
            "basket_id": baskets[visit] if action == CHECKOUT else None,
            "page": page,
            "device_type": devices[visit],
        }
