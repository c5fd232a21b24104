"""The live part of Redis as serving reads it: one command for a customer, one for the products of the moment.

Imports no Feast. `OnlineReader.read_now` reads a customer's batch state and live minutes together, in one round trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from redis import Redis, RedisError

from feature_store.core.live_packing import ProductMinutes, unpack_customer_minutes, unpack_product_minutes
from feature_store.core.live_windows import (
    WINDOWS,
    CustomerMinutes,
    LiveFeatures,
    ProductCategories,
    customer_features,
    end_minute,
    window_sums,
)
from feature_store.core.product_table import ProductTable
from feature_store.online_store.keys import LIVE_ACTIVITY, LIVE_CUSTOMER, LIVE_PRODUCT, record_key
from feature_store.online_store.live_store import SPAN_FIELD
from shared_utils.errors import DependencyError

ACTIVITY_WINDOWS: Final = ("5m", "1h")

Minutes = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class ProductActivity:
    """How often a product was viewed, put into a cart and bought within a window."""

    product_id: int
    activity: int


class LiveReader:
    """Reads live features. Safe to share between threads, as the client is."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def customer(self, customer_id: int, now: datetime, categories: ProductCategories) -> LiveFeatures | None:
        """A customer's live features as of `now`; None where the last 24 hours hold nothing. One round trip.

        Raises:
            DependencyError: Redis does not answer in time.
            DataError: a record is damaged or of another layout.
        """
        minutes = customer_minutes(self._hash(record_key(LIVE_CUSTOMER, customer_id)))
        return None if minutes is None else customer_features(minutes, now, categories)

    def product(self, product_id: int, now: datetime) -> dict[str, int] | None:
        """A product's live features by catalogue name; None where nothing is stored. Raises as `customer`."""
        minutes = product_minutes(self._hash(record_key(LIVE_PRODUCT, product_id)))
        return None if minutes is None else window_sums("product", minutes.minute, minutes.sums, now)

    def top_products(self, now: datetime, *, window: str = "1h", limit: int = 20) -> list[ProductActivity]:
        """The most active products of a window ("5m" or "1h"), equal ones by ascending id. One command.

        Raises:
            DependencyError: Redis does not answer in time.
        """
        end = end_minute(now)
        keys = [record_key(LIVE_ACTIVITY, minute) for minute in range(end - WINDOWS[window], end)]
        try:
            pairs = cast("list[tuple[bytes, float]]", self._redis.zunion(keys, withscores=True))
        except RedisError as exc:
            raise _unreachable(exc) from exc
        ranked = sorted((-int(activity), int(product)) for product, activity in pairs)
        return [ProductActivity(product, -negative) for negative, product in ranked[:limit]]

    def _hash(self, key: str) -> Minutes:
        try:
            return cast("Minutes", self._redis.hgetall(key))
        except RedisError as exc:
            raise _unreachable(exc) from exc


def customer_minutes(fields: Minutes) -> CustomerMinutes | None:
    """A customer's hash, decoded; None for an empty one. Raises DataError."""
    blobs = _blobs(fields)
    return unpack_customer_minutes(blobs) if blobs else None


def product_minutes(fields: Minutes) -> ProductMinutes | None:
    """A product's hash, decoded; None for an empty one. Raises DataError."""
    blobs = _blobs(fields)
    return unpack_product_minutes(blobs) if blobs else None


def categories_of(table: ProductTable) -> ProductCategories:
    """The category of each product, as the product table in serving's memory holds it."""
    return ProductCategories(table.columns["product_id"], table.columns["category_code"])


def _blobs(fields: Minutes) -> dict[int, bytes]:
    return {int(minute): blob for minute, blob in fields.items() if minute != SPAN_FIELD}


def _unreachable(exc: RedisError) -> DependencyError:
    return DependencyError(f"The online store does not answer ({exc}).", "Check that Redis runs and is not overloaded.")
