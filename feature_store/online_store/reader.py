"""The hot path's reader: one round trip for a customer, one blob for all products. Imports no Feast.

Feast's own Redis layout costs a hash field per feature and a protobuf per value; here a customer is two packed blobs,
read with one MGET and decoded with `numpy.frombuffer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from redis import Redis, RedisError

from feature_store.core.catalogue import load_catalogue
from feature_store.core.live_packing import ClosedVisit, unpack_visit
from feature_store.core.live_windows import (
    CustomerMinutes,
    LiveFeatures,
    ProductCategories,
    RecentTouches,
    customer_features,
    recent_touches,
)
from feature_store.core.packing import HEADER, REMEDY, Array, view_layout
from feature_store.core.product_table import ProductTable, product_table_layout, unpack_product_table, version_of
from feature_store.core.stamps import day_of, instant_of
from feature_store.online_store.client import connect
from feature_store.online_store.keys import (
    CUSTOMER_VIEW,
    LIVE_CUSTOMER,
    LIVE_VISIT,
    MEMORY_VIEW,
    PRODUCT_TABLE_KEY,
    record_key,
)
from feature_store.online_store.live_reader import customer_minutes
from shared_utils.errors import DataError, DependencyError

__all__ = ["CustomerNow", "CustomerState", "OnlineReader", "ProductTable", "connect"]


@dataclass(frozen=True, slots=True)
class CustomerState:
    """Everything stored about one customer, under gold column names.

    `customer`: columns of customer_features. `pairs`: columns of customer_product_features as parallel read-only
    arrays ordered by product id, every pair of the customer, decayed sums as of each pair's `last_day`. `torn`: the
    two parts are of different days, read in the middle of a materialization; the stamps are then the older part's.
    """

    customer_id: int
    event_timestamp_us: int
    created_timestamp_us: int
    customer: Mapping[str, int | float]
    pairs: Mapping[str, Array]
    torn: bool

    @property
    def features_as_of(self) -> datetime:
        """The close of the last day inside."""
        return instant_of(self.event_timestamp_us)

    @property
    def as_of_day(self) -> int:
        """Days before this epoch day are inside."""
        return day_of(self.event_timestamp_us)


@dataclass(frozen=True, slots=True)
class CustomerNow:
    """A customer in one read: the batch state, the live minutes of the last day, the last visit; None: nothing."""

    state: CustomerState | None
    minutes: CustomerMinutes | None
    visit: ClosedVisit | None

    def live_features(self, now: datetime, categories: ProductCategories) -> LiveFeatures | None:
        """The live features as of `now`; None where the last 24 hours hold nothing."""
        return None if self.minutes is None else customer_features(self.minutes, now, categories)

    def recent_touches(self, now: datetime) -> RecentTouches | None:
        """What was viewed and added in the day before `now`, for half the time of `live_features`; None: nothing."""
        return None if self.minutes is None else recent_touches(self.minutes, now)


class OnlineReader:
    """Reads the online store. Safe to share between threads, as the client is."""

    def __init__(self, redis: Redis) -> None:
        catalogue = load_catalogue()
        customer, memory = catalogue.view(CUSTOMER_VIEW), catalogue.view(MEMORY_VIEW)
        self._redis = redis
        self._customer, self._customer_columns = view_layout(customer), customer.columns
        self._memory, self._memory_columns = view_layout(memory), memory.columns
        self._products = product_table_layout()

    def read(self, customer_id: int) -> CustomerState | None:
        """The state of a customer, None for an unknown one. One round trip.

        Raises:
            DependencyError: Redis does not answer in time.
            DataError: a blob is damaged or of another layout, or one of the two parts is missing.
        """
        try:
            keys = (record_key(CUSTOMER_VIEW, customer_id), record_key(MEMORY_VIEW, customer_id))
            blobs = cast("list[bytes | None]", self._redis.mget(keys))
        except RedisError as exc:
            raise _unreachable(exc) from exc
        return self._state(customer_id, blobs[0], blobs[1])

    def read_now(self, customer_id: int) -> CustomerNow:
        """The batch state, the live minutes and the last visit of a customer. One round trip. Raises as `read`."""
        keys = [record_key(view, customer_id) for view in (CUSTOMER_VIEW, MEMORY_VIEW, LIVE_VISIT)]
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.mget(keys)
                pipe.hgetall(record_key(LIVE_CUSTOMER, customer_id))
                blobs, fields = pipe.execute()
        except RedisError as exc:
            raise _unreachable(exc) from exc
        visit = None if blobs[2] is None else unpack_visit(blobs[2])
        return CustomerNow(self._state(customer_id, blobs[0], blobs[1]), customer_minutes(fields), visit)

    def _state(self, customer_id: int, customer_blob: bytes | None, memory_blob: bytes | None) -> CustomerState | None:
        if customer_blob is None and memory_blob is None:
            return None
        if customer_blob is None or memory_blob is None:
            raise DataError(f"Customer {customer_id} is stored in part only.", REMEDY)
        stamp, values = self._customer.unpack(customer_blob)
        memory_stamp, arrays = self._memory.unpack(memory_blob)
        older = min(stamp, memory_stamp)
        return CustomerState(
            customer_id=customer_id,
            event_timestamp_us=older.event_us,
            created_timestamp_us=max(stamp.created_us, memory_stamp.created_us),
            customer=cast("dict[str, int | float]", dict(zip(self._customer_columns, values, strict=True))),
            pairs=cast("dict[str, Array]", dict(zip(self._memory_columns, arrays, strict=True))),
            torn=stamp.event_us != memory_stamp.event_us,
        )

    def product_table_version(self) -> str | None:
        """The version of the stored product table, None where there is none. Reads 48 bytes. Raises as `read`."""
        try:
            head = cast("bytes", self._redis.getrange(PRODUCT_TABLE_KEY, 0, HEADER.size - 1))
        except RedisError as exc:
            raise _unreachable(exc) from exc
        return version_of(self._products.header(head)) if head else None

    def read_product_table(self) -> ProductTable | None:
        """All products with their neighbours, None where nothing was materialized. Raises as `read`."""
        try:
            blob = cast("bytes | None", self._redis.get(PRODUCT_TABLE_KEY))
        except RedisError as exc:
            raise _unreachable(exc) from exc
        return unpack_product_table(blob) if blob else None


def _unreachable(exc: RedisError) -> DependencyError:
    return DependencyError(f"The online store does not answer ({exc}).", "Check that Redis runs and is not overloaded.")
