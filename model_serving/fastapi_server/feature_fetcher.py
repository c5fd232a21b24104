"""The online store as serving sees it: one guarded read a request, and what is refreshed in the background.

Reads: the packed customer blobs and the product table of `feature_store`; the sets `shop:out_of_stock` and
`shop:banned_products` (product ids as text); `shop:popularity` (`PopularityLists.to_json`, optional).

The client is the synchronous one in a bounded thread pool, not redis.asyncio: the read and the scoring then take one
hop together, and the event loop stays free to enforce the deadline on a slow model as well as on a slow store.
Measured beside it on a busy
machine with 2 cores: 719 against 542-602 requests a second from 16 connections, p50 2.3 against 2.0 ms from one.
"""

from __future__ import annotations

from typing import cast

from redis import Redis, RedisError

from feature_store.online_store.keys import OUT_OF_STOCK_KEY
from feature_store.online_store.reader import CustomerNow
from ml_modeling.core.bundle import PopularityLists
from model_serving.core.breaker import CircuitBreaker
from model_serving.core.ranking import DegradedReason
from model_serving.core.shelf import LiveShelf, Store
from model_serving.ports import ProductReader, ShopReader, StateReader, StockView
from shared_utils.errors import DataError, DependencyError

BANNED_KEY = "shop:banned_products"
POPULARITY_KEY = "shop:popularity"


class FeaturesUnavailableError(Exception):
    """There are no features for this request; `reason` says why. Never leaves the serving core."""

    def __init__(self, reason: DegradedReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class FeatureFetcher:
    """Reads customers behind a circuit breaker."""

    def __init__(self, reader: StateReader, breaker: CircuitBreaker) -> None:
        self._reader = reader
        self._breaker = breaker

    def fetch(self, customer_id: int) -> CustomerNow:
        """What is known of the customer: the nightly state (None: nobody knows it) and the live minutes.

        Raises:
            FeaturesUnavailableError: the store does not answer in time, is not asked, or holds a damaged record.
        """
        if not self._breaker.allows():
            raise FeaturesUnavailableError(DegradedReason.ONLINE_STORE_BREAKER_OPEN)
        try:
            found = self._reader.read_now(customer_id)
        except DependencyError as exc:
            self._breaker.failed()
            raise FeaturesUnavailableError(DegradedReason.ONLINE_STORE_UNREACHABLE) from exc
        except DataError as exc:
            # The store answers, so the breaker stays shut: one damaged record must not cost the others their features.
            self._breaker.succeeded()
            raise FeaturesUnavailableError(DegradedReason.ONLINE_STORE_DAMAGED) from exc
        self._breaker.succeeded()
        return found


class RedisShopReader:
    """Stock, bans and best sellers from Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read_stock(self) -> StockView:
        """Products out of stock and banned. Raises DependencyError, DataError (a member is no product id)."""
        try:
            out, banned = self._redis.smembers(OUT_OF_STOCK_KEY), self._redis.smembers(BANNED_KEY)
            return StockView(_ids(cast("set[bytes]", out)), _ids(cast("set[bytes]", banned)))
        except RedisError as exc:
            raise DependencyError(f"Stock cannot be read ({exc}).", "Check that Redis runs.") from exc

    def read_popularity(self) -> bytes | None:
        """Best-seller lists newer than the model's, None when there are none. Raises DependencyError."""
        try:
            return cast("bytes | None", self._redis.get(POPULARITY_KEY))
        except RedisError as exc:
            raise DependencyError(f"Best sellers cannot be read ({exc}).", "Check that Redis runs.") from exc


class StoreRefresher:
    """Keeps the live shelf's products, stock and best sellers up to date; rebuilds it only when one changed."""

    def __init__(self, products: ProductReader, shop: ShopReader, live: LiveShelf) -> None:
        self._products = products
        self._shop = shop
        self._live = live
        self._store = Store()
        self._popularity: bytes | None = None

    def refresh(self) -> None:
        """Read what changed. Raises DependencyError, DataError; the shelf then stays as it was."""
        version, old = self._products.product_table_version(), self._store
        table = old.table if old.table and version == old.table.version else self._products.read_product_table()
        text = self._shop.read_popularity()
        lists = old.popularity if text == self._popularity else PopularityLists.from_json(text) if text else None
        # A store that was flushed keeps the last products in memory: popular lists need them until it is filled again.
        new = Store(table or old.table, self._shop.read_stock(), lists, empty=version is None)
        if _differs(new, old):
            self._live.set_store(new)
        self._store, self._popularity = new, text


def _ids(members: set[bytes]) -> frozenset[int]:
    try:
        return frozenset(map(int, members))
    except ValueError as exc:
        raise DataError(f"A stock set holds what is no product id ({exc}).", "Write it again.") from exc


def _differs(new: Store, old: Store) -> bool:
    same_arrays = new.table is old.table and new.popularity is old.popularity  # arrays have no truth value to compare
    return not same_arrays or new.stock != old.stock or new.empty != old.empty
