"""Moments in past visits: what a shopper had touched by then, and what it touched and bought afterwards.

Reads: silver.click, silver.transaction_line. Grain: one moment a visit, in the middle of its touches. The second stage
is fitted and judged on them: its questions are those that serving gets, with the answers known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_lake import tables
from data_lake.catalog import SILVER_CLICK, TRANSACTION_LINE
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from feature_store.core.live_windows import ADD, MS_PER_MINUTE, VIEW, Touches
from feature_store.core.stamps import instant_of
from feature_store.snapshots import connect
from ml_modeling.core.states import IntArray

SEED: Final = 7
MIN_TOUCHES: Final = 4
"""A visit with fewer has no middle: something touched before the moment and something after it."""
_DAY_MS: Final = 86_400_000
_Baskets = dict[int, list[tuple[int, IntArray]]]


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant inside a visit, just after a touch.

    `touches`: what serving would know of the day before (arrived by then). `next_product`: the first product touched
    afterwards that was not touched in the visit before (None: nothing new). `next_basket`: product ids of the
    customer's next basket that were not yet in the cart; empty where there was none.
    """

    customer_id: int
    at_ms: int
    touches: Touches
    next_product: int | None
    next_basket: IntArray

    @property
    def at(self) -> datetime:
        """The instant."""
        return instant_of(self.at_ms * 1_000)

    @property
    def day(self) -> int:
        """Its epoch day."""
        return self.at_ms // _DAY_MS


@dataclass(frozen=True, slots=True)
class _Touched:
    """Views and adds by customer and time. Shape: `(touches,)`."""

    customer: IntArray
    visit: IntArray
    event_ms: IntArray
    arrival_ms: IntArray
    product: IntArray
    action: npt.NDArray[np.uint8]


def read_moments(lake_root: LakeRoot, limit: int) -> list[Moment]:
    """At most `limit` moments, in time order, the same ones at every call; none where the lake holds no clicks."""
    if not tables.exists(SILVER_CLICK, lake_root):
        return []
    touched, baskets = _read(lake_root)
    rng = np.random.default_rng(SEED)
    visits = np.flatnonzero(np.bincount(touched.visit) >= MIN_TOUCHES)
    share = rng.uniform(0.2, 0.8, len(visits))
    chosen = np.sort(rng.permutation(len(visits))[:limit])
    by_visit = np.argsort(touched.visit, kind="stable")
    start = np.searchsorted(touched.visit[by_visit], visits)
    stop = np.searchsorted(touched.visit[by_visit], visits, side="right")
    moments = [_moment(touched, baskets, by_visit[start[n] : stop[n]], float(share[n])) for n in chosen]
    return sorted(moments, key=lambda moment: (moment.at_ms, moment.customer_id))


def _moment(touched: _Touched, baskets: _Baskets, visit: IntArray, share: float) -> Moment:
    last = max(int(len(visit) * share), 1)
    newest = visit[last - 1]
    customer, at_ms = int(touched.customer[newest]), int(touched.event_ms[newest]) + 1
    first, end = np.searchsorted(touched.customer, (customer, customer + 1))
    own = np.arange(first, end)
    times = touched.event_ms[own]
    # The question comes when the newest touch has arrived; another one that is still on its way is not known.
    arrived = touched.arrival_ms[own] <= touched.arrival_ms[newest]
    known = own[arrived & (times < at_ms) & (times >= at_ms - _DAY_MS)]
    before = set(touched.product[visit[:last]].tolist())
    fresh = [product for product in touched.product[visit[last:]].tolist() if product not in before]
    cart = touched.product[visit[:last]][touched.action[visit[:last]] == ADD]
    known_ms = touched.event_ms[known]
    return Moment(
        customer,
        at_ms,
        Touches(known_ms // MS_PER_MINUTE, touched.product[known], known_ms, touched.action[known]),
        fresh[0] if fresh else None,
        np.setdiff1d(_next_basket(baskets.get(customer, ()), at_ms), cart),
    )


def _next_basket(baskets: Sequence[tuple[int, IntArray]], at_ms: int) -> IntArray:
    return next((products for bought_ms, products in baskets if bought_ms >= at_ms), np.empty(0, dtype=np.int64))


def _read(lake_root: LakeRoot) -> tuple[_Touched, _Baskets]:
    with connect() as con:
        con.register("click", open_delta(SILVER_CLICK, lake_root).to_pyarrow_dataset())
        con.register("line", open_delta(TRANSACTION_LINE, lake_root).to_pyarrow_dataset())
        columns: dict[str, npt.NDArray[Any]] = {
            name: np.asarray(values) for name, values in con.execute(_TOUCHES).fetchnumpy().items()
        }
        bought = con.execute(_BASKETS).fetchall()
    baskets: _Baskets = {}
    for customer, bought_ms, products in bought:
        baskets.setdefault(customer, []).append((bought_ms, np.array(products, dtype=np.int64)))
    return _Touched(**{**columns, "action": columns["action"].astype(np.uint8)}), baskets


_TOUCHES: Final = f"""
SELECT customer_id AS customer, dense_rank() OVER (ORDER BY session_id) AS visit, epoch_ms(event_time) AS event_ms,
       epoch_ms(arrival_time) AS arrival_ms, product_id AS product,
       CASE action WHEN 'view' THEN {VIEW} ELSE {ADD} END AS action
FROM click WHERE action IN ('view', 'add') ORDER BY customer, event_ms, event_id
"""  # noqa: S608 (constants)
_BASKETS: Final = """
SELECT customer_id, epoch_ms(min(event_time)) AS bought_ms, list(DISTINCT product_id ORDER BY product_id)
FROM line WHERE event_date >= (SELECT min(event_date) FROM click)
GROUP BY customer_id, basket_id ORDER BY customer_id, bought_ms, basket_id
"""
