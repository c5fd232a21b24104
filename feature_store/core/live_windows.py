"""What a live feature is: sums of minutes, made when they are read. The reader, the parity check and tests call this.

A minute of event time counts in a window of n minutes that is read at `now` if its first instant lies in
[now - n minutes, now): always n minutes, the running one with what is known of it. A later minute (a clock that runs
ahead) waits for its turn. So a value decays by the clock of the reader alone, without any event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from feature_store.core.stamps import instant_of, us_of

Int64Array = npt.NDArray[np.int64]

MS_PER_MINUTE: Final = 60_000
WINDOWS: Final[Mapping[str, int]] = {"5m": 5, "1h": 60, "24h": 1_440}
"""Window name to its length in minutes."""
CUSTOMER_MEASURES: Final = ("views", "adds", "purchases", "spend_cents")
PRODUCT_MEASURES: Final = ("views", "adds", "purchases", "spend_cents")
MAX_LAST_VIEWED: Final = 20
VIEW: Final = 1
ADD: Final = 2

_US_PER_MINUTE = 60_000_000


def end_minute(now: datetime) -> int:
    """The first epoch minute that does not start before `now`: every window read at `now` ends before it."""
    return -(-us_of(now) // _US_PER_MINUTE)


@dataclass(frozen=True, slots=True)
class ProductCategories:
    """The category code of each product, by ascending product id; code 0 says that the category is not known."""

    product_id: Int64Array
    category_code: npt.NDArray[np.int32]

    def of(self, product_ids: Int64Array) -> npt.NDArray[np.int32]:
        """The code of each product, 0 for one that is not listed."""
        if not len(self.product_id):
            return np.zeros(len(product_ids), np.int32)
        place = np.minimum(np.searchsorted(self.product_id, product_ids), len(self.product_id) - 1)
        return np.where(self.product_id[place] == product_ids, self.category_code[place], 0).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Touches:
    """Products that a customer viewed or put into the cart. Parallel arrays, one element per touch, in no order.

    Units: `minute` epoch minutes, `event_ms` epoch milliseconds; `action` is VIEW or ADD.
    """

    minute: Int64Array
    product_id: Int64Array
    event_ms: Int64Array
    action: npt.NDArray[np.uint8]

    def within(self, first: int, end: int) -> Touches:
        """The touches of the minutes in [first, end)."""
        inside = (self.minute >= first) & (self.minute < end)
        return Touches(self.minute[inside], self.product_id[inside], self.event_ms[inside], self.action[inside])


@dataclass(frozen=True, slots=True)
class LastEvent:
    """The event that the newest minute came with: the link from a served value back to its click.

    Units: `event_ms` is the latest event time counted in that minute, `arrival_ms` when its record reached Kafka.
    `trace` is a mark (0: no trace) and the 26 bytes of a W3C traceparent.
    """

    event_ms: int
    arrival_ms: int
    uuid: bytes
    trace: bytes

    @property
    def event_id(self) -> str:
        """The event's id as its contract writes it."""
        return str(UUID(bytes=self.uuid))

    @property
    def traceparent(self) -> str | None:
        """The trace context of the feature record, which goes on with the event's trace; None where it had none."""
        text = self.trace[1:].hex()
        return f"{text[:2]}-{text[2:34]}-{text[34:50]}-{text[50:]}" if self.trace[0] else None


@dataclass(frozen=True, slots=True)
class CustomerMinutes:
    """What is stored of a customer's last day. Parallel arrays, one element per minute, in no order.

    Units: `minute` epoch minutes; `event_ms` and `arrival_ms` as in LastEvent, as are the bytes of `uuid` and `trace`.
    """

    minute: Int64Array
    sums: Mapping[str, Int64Array]
    event_ms: Int64Array
    arrival_ms: Int64Array
    uuid: npt.NDArray[np.void]
    trace: npt.NDArray[np.void]
    touches: Touches

    def last_of(self, inside: npt.NDArray[np.bool_]) -> LastEvent:
        """The newest event among the chosen minutes (at least one): that of the newest minute."""
        place = int(np.flatnonzero(inside)[np.argmax(self.minute[inside])])
        return LastEvent(
            int(self.event_ms[place]),
            int(self.arrival_ms[place]),
            self.uuid[place].tobytes(),
            self.trace[place].tobytes(),
        )


@dataclass(frozen=True, slots=True)
class RecentTouches:
    """What a customer viewed or added within the 24 hours before an instant, with the newest event of any kind."""

    as_of: datetime
    touches: Touches
    last: LastEvent

    @property
    def event_time(self) -> datetime:
        """The latest event inside."""
        return instant_of(self.last.event_ms * 1_000)

    @property
    def age_seconds(self) -> float:
        """From the latest event inside to the reading; below zero where the shop's clock runs ahead of the reader's."""
        return (self.as_of - self.event_time).total_seconds()


@dataclass(frozen=True, slots=True)
class LiveFeatures(RecentTouches):
    """The live features of a customer as of an instant, under their catalogue names.

    `last_viewed_products`: distinct product ids, newest view first, at most 20.
    """

    values: Mapping[str, int]
    last_viewed_products: tuple[int, ...]


def recent_touches(minutes: CustomerMinutes, now: datetime) -> RecentTouches | None:
    """A customer's touches as of `now`, without the windows' sums; None where the last 24 hours hold nothing."""
    end = end_minute(now)
    day = (minutes.minute >= end - WINDOWS["24h"]) & (minutes.minute < end)
    if not day.any():
        return None
    return RecentTouches(now, minutes.touches.within(end - WINDOWS["24h"], end), minutes.last_of(day))


def customer_features(minutes: CustomerMinutes, now: datetime, categories: ProductCategories) -> LiveFeatures | None:
    """A customer's live features as of `now`; None where the last 24 hours hold nothing."""
    recent = recent_touches(minutes, now)
    if recent is None:
        return None
    end, touches = end_minute(now), recent.touches
    values = window_sums("customer", minutes.minute, minutes.sums, now)
    codes = categories.of(touches.product_id)
    for window, length in WINDOWS.items():
        inside = codes[(touches.minute >= end - length) & (codes != 0)]
        values[f"customer_categories_{window}"] = len(set(inside.tolist()))
    return LiveFeatures(now, touches, recent.last, values, last_viewed(touches))


def window_sums(entity: str, minute: Int64Array, sums: Mapping[str, Int64Array], now: datetime) -> dict[str, int]:
    """The sum of each measure over each window: `<entity>_<measure>_<window>` to its value."""
    end = end_minute(now)
    begins = end - np.array(list(WINDOWS.values()))
    inside = (minute[:, None] >= begins) & (minute < end)[:, None]
    totals = np.stack(list(sums.values())) @ inside.astype(np.int64)  # all at once: this is on the hot path
    return {
        f"{entity}_{measure}_{window}": total
        for measure, row in zip(sums, totals.tolist(), strict=True)
        for window, total in zip(WINDOWS, row, strict=True)
    }


def last_viewed(touches: Touches) -> tuple[int, ...]:
    """Distinct products by their latest view, newest first, equal times by ascending id; at most 20."""
    viewed = touches.action == VIEW
    products, times = touches.product_id[viewed], touches.event_ms[viewed]
    newest_first = products[np.lexsort((products, -times))].tolist()
    return tuple(dict.fromkeys(newest_first))[:MAX_LAST_VIEWED]
