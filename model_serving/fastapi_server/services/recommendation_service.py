"""Ranked products for one customer, and what is said instead when something fails."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from feature_store.core.live_windows import RecentTouches
from feature_store.online_store.reader import CustomerState
from model_serving.core.lru import LruMap
from model_serving.core.ranking import DegradedReason, LiveUse, ModelRef, RankedItem, Ranking, Source
from model_serving.core.reasons import COLD_START_TEXT
from model_serving.core.shelf import LiveShelf, Products, Shelf
from model_serving.fastapi_server.feature_fetcher import FeatureFetcher, FeaturesUnavailableError
from model_serving.fastapi_server.predict import predict
from model_serving.metrics import ServingMetrics
from shared_utils.errors import DependencyError, PlatformError
from shared_utils.time_utils import Clock

log = structlog.get_logger(__name__)

LAST_LISTS = 20_000
_LAST_TEXT = "From your last list."


@dataclass(frozen=True, slots=True)
class _LastList:
    """A customer's last personal list: ids, scores and sources only, so that 20,000 of them stay small."""

    model: ModelRef
    features_as_of: datetime
    items: tuple[tuple[int, float, Source], ...]


class RecommendationService:
    """Answers from features and model; without features from the last list, then from the best sellers.

    Order of the fallbacks: promises.md R5. Only whole answers become last lists, so a fallback never feeds itself.
    Safe to share between threads.
    """

    def __init__(
        self,
        live: LiveShelf,
        features: FeatureFetcher,
        clock: Clock,
        metrics: ServingMetrics,
        max_feature_age: timedelta,
    ) -> None:
        self._live = live
        self._features = features
        self._clock = clock
        self._metrics = metrics
        self._max_age = max_feature_age
        self._last: LruMap[int, _LastList] = LruMap(LAST_LISTS)

    @property
    def can_answer(self) -> bool:
        """Whether a model is loaded; its best sellers answer even when everything else is gone."""
        return self._live.current is not None

    def top_n(self, customer_id: int, limit: int, request_id: str) -> Ranking:
        """The best `limit` products. Raises DependencyError: no model was ever loaded."""
        shelf = self._shelf()
        try:
            started = time.perf_counter()
            found = self._features.fetch(customer_id)
            self._metrics.time_stage("read", time.perf_counter() - started)
            if found.state is None:
                return self._cold_start(shelf, customer_id, limit, request_id)
            if shelf.products is None:
                raise FeaturesUnavailableError(DegradedReason.PRODUCTS_NOT_LOADED)
            live = found.recent_touches(self._clock())
            return self._personal(shelf, shelf.products, found.state, live, limit, request_id)
        except FeaturesUnavailableError as exc:
            return self.fallback(customer_id, limit, request_id, exc.reason)
        except PlatformError as exc:
            log.error("scoring_failed", model_version=shelf.model.ref.version, error=str(exc))
            return self.fallback(customer_id, limit, request_id, DegradedReason.SCORING_FAILED)

    def fallback(self, customer_id: int, limit: int, request_id: str, reason: DegradedReason) -> Ranking:
        """The last list, filled up with best sellers; memory only, so it always comes in time.

        Raises:
            DependencyError: no model was ever loaded.
        """
        shelf = self._shelf()
        last = self._last.get(customer_id)
        if last is None:
            items = _popular_items(shelf, limit, frozenset())
            return Ranking(
                request_id, customer_id, shelf.model.ref, items, degraded_reasons=(reason, DegradedReason.POPULAR_LIST)
            )
        kept = [entry for entry in last.items if entry[0] not in shelf.hidden][:limit]
        again = tuple(_labelled(shelf, product, score, source, _LAST_TEXT) for product, score, source in kept)
        fill = _popular_items(shelf, limit - len(again), frozenset(item.product_id for item in again))
        return Ranking(
            request_id,
            customer_id,
            last.model,
            again + fill,
            features_as_of=last.features_as_of,
            feature_age_seconds=self._age_seconds(last.features_as_of),
            degraded_reasons=(reason, DegradedReason.LAST_LIST),
        )

    def _personal(
        self,
        shelf: Shelf,
        products: Products,
        state: CustomerState,
        live: RecentTouches | None,
        limit: int,
        request_id: str,
    ) -> Ranking:
        prediction = predict(shelf.model, products, state, live, limit, self._metrics.time_stage)
        age = self._age_seconds(state.features_as_of)
        self._metrics.feature_age_seconds.set(age)
        reasons = []
        if age > self._max_age.total_seconds():
            reasons.append(DegradedReason.FEATURES_STALE)
        if state.torn or prediction.products_behind or state.as_of_day != products.as_of_day:
            reasons.append(DegradedReason.FEATURES_TORN)
        ranking = Ranking(
            request_id,
            state.customer_id,
            shelf.model.ref,
            prediction.items,
            prediction.feature_names,
            state.features_as_of,
            age,
            live=LiveUse(live.as_of, live.last, live.age_seconds)
            if live is not None and prediction.live_used
            else None,
            degraded_reasons=tuple(reasons),
        )
        if not reasons:
            held = tuple((item.product_id, item.score, item.source) for item in ranking.items)
            self._last.put(state.customer_id, _LastList(ranking.model, state.features_as_of, held))
        return ranking

    def _cold_start(self, shelf: Shelf, customer_id: int, limit: int, request_id: str) -> Ranking:
        """Best sellers for a customer nobody knows. A store that holds nobody at all is degraded, not cold."""
        if shelf.store_is_empty:
            return self.fallback(customer_id, limit, request_id, DegradedReason.ONLINE_STORE_EMPTY)
        items = _popular_items(shelf, limit, frozenset())
        return Ranking(request_id, customer_id, shelf.model.ref, items, cold_start=True)

    def _shelf(self) -> Shelf:
        shelf = self._live.current
        if shelf is None:
            raise DependencyError("No model is loaded.", "Train one and set its alias, then ask again.")
        return shelf

    def _age_seconds(self, as_of: datetime) -> float:
        return max((self._clock() - as_of).total_seconds(), 0.0)


def _popular_items(shelf: Shelf, limit: int, besides: frozenset[int]) -> tuple[RankedItem, ...]:
    listed = [(product, share) for product, share in shelf.popular[: limit + len(besides)] if product not in besides]
    return tuple(_labelled(shelf, p, s, Source.POPULARITY, COLD_START_TEXT) for p, s in listed[: max(limit, 0)])


def _labelled(shelf: Shelf, product_id: int, score: float, source: Source, text: str) -> RankedItem:
    name, category = shelf.model.labels.get(product_id, (None, None))
    return RankedItem(product_id, score, source, text, name=name, category=category)
