"""What a recommendation is, before it is JSON and before it is an event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from feature_store.core.live_windows import LastEvent


class Source(StrEnum):
    """The generator that an item is attributed to: the most personal of those that proposed it."""

    SESSION = "session"
    REPEAT = "repeat"
    COPURCHASE = "copurchase"
    POPULARITY = "popularity"


class DegradedReason(StrEnum):
    """Why an answer is not the best one the platform can give."""

    ONLINE_STORE_UNREACHABLE = "online_store_unreachable"
    ONLINE_STORE_BREAKER_OPEN = "online_store_breaker_open"
    ONLINE_STORE_DAMAGED = "online_store_damaged"
    ONLINE_STORE_EMPTY = "online_store_empty"
    PRODUCTS_NOT_LOADED = "products_not_loaded"
    FEATURES_STALE = "features_stale"
    FEATURES_TORN = "features_torn"
    DEADLINE = "deadline"
    OVERLOADED = "overloaded"
    SCORING_FAILED = "scoring_failed"
    LAST_LIST = "last_list"
    POPULAR_LIST = "popular_list"


@dataclass(frozen=True, slots=True)
class FeatureEffect:
    """A feature's value and what it did to the score, in score units; positive pushed the item up."""

    name: str
    value: float
    effect: float


@dataclass(frozen=True, slots=True)
class RankedItem:
    """One product of a list. `features` has the model's inputs in the ranking's order, empty in a fallback."""

    product_id: int
    score: float
    source: Source
    text: str
    features: tuple[float, ...] = ()
    effects: tuple[FeatureEffect, ...] = ()
    name: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The model that made a list."""

    name: str
    version: str
    feature_set: str


@dataclass(frozen=True, slots=True)
class LiveUse:
    """The live features that took part in a list: when their windows were read, and the newest event inside.

    `age_seconds`: from that event to the reading; below zero where the shop's clock runs ahead of the reader's.
    """

    as_of: datetime
    last: LastEvent
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """An answered question. Rank is the position in `items`, from 1. Units: milliseconds, seconds."""

    request_id: str
    customer_id: int
    model: ModelRef
    items: tuple[RankedItem, ...]
    feature_names: tuple[str, ...] = ()
    features_as_of: datetime | None = None
    feature_age_seconds: float | None = None
    live: LiveUse | None = None
    cold_start: bool = False
    degraded_reasons: tuple[DegradedReason, ...] = ()
    latency_ms: float = 0.0

    @property
    def degraded(self) -> bool:
        """Whether a fallback took part."""
        return bool(self.degraded_reasons)
