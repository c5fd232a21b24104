"""Requests and responses of the API. `render` writes a response's JSON straight from the ranking.

The models are the published contract (OpenAPI); building fifty of them a request would cost more than the ranking, so
the hot path writes dictionaries, and `tests/unit/model_serving/test_schemas.py` holds both to the same bytes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from model_serving.core.ranking import RankedItem, Ranking, Source
from shared_utils.time_utils import to_rfc3339

MAX_LIMIT = 50
CustomerId = Annotated[int, Path(gt=0, le=2**63 - 1, description="Customer to recommend for.")]


class _Public(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecommendationQuery(_Public):
    """Query parameters; unknown ones are refused."""

    limit: int = Field(default=10, ge=1, le=MAX_LIMIT, description="How many products.")


class FeatureEffectPublic(_Public):
    """A feature that moved the score."""

    name: str
    value: float
    effect: float = Field(description="Change of the score against this customer's usual candidate.")


class ReasonPublic(_Public):
    """Why a product is on the list."""

    source: Source
    text: str
    features: list[FeatureEffectPublic] = Field(description="Up to three, strongest first; empty in a fallback.")


class RecommendationPublic(_Public):
    """One product of the list."""

    product_id: int
    name: str | None
    category: str | None
    rank: int
    score: float
    reason: ReasonPublic


class ModelPublic(_Public):
    """The model that made the list."""

    name: str
    version: str


class RecommendationsPublic(_Public):
    """Ranked products for one customer, and how far to trust them."""

    request_id: str
    customer_id: int
    items: list[RecommendationPublic]
    model: ModelPublic
    features_as_of: datetime | None
    feature_age_seconds: float | None
    live_event_id: str | None = Field(description="Newest event that moved the list; null when no live feature did.")
    live_age_seconds: float | None = Field(description="From that event to the answer.")
    cold_start: bool = Field(description="Nothing is known about this customer: best sellers.")
    degraded: bool
    degraded_reasons: list[str]


class ServedModelPublic(_Public):
    """A model that this process serves."""

    name: str
    version: str
    alias: str
    sha256: str
    feature_set: str
    feature_names: list[str]


class ModelsPublic(_Public):
    """What this process serves. `stale`: the registry cannot be read, the last good model serves."""

    models: list[ServedModelPublic]
    stale: bool


class HealthPublic(_Public):
    """Whether the process runs, or can answer."""

    status: str


class ProblemPublic(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


def render(ranking: Ranking) -> bytes:
    """`RecommendationsPublic` of a ranking as JSON."""
    as_of, live = ranking.features_as_of, ranking.live
    return orjson.dumps(
        {
            "request_id": ranking.request_id,
            "customer_id": ranking.customer_id,
            "items": [_item(rank, item) for rank, item in enumerate(ranking.items, start=1)],
            "model": {"name": ranking.model.name, "version": ranking.model.version},
            "features_as_of": None if as_of is None else to_rfc3339(as_of),
            "feature_age_seconds": ranking.feature_age_seconds,
            "live_event_id": None if live is None else live.last.event_id,
            "live_age_seconds": None if live is None else live.age_seconds,
            "cold_start": ranking.cold_start,
            "degraded": ranking.degraded,
            "degraded_reasons": ranking.degraded_reasons,
        }
    )


def _item(rank: int, item: RankedItem) -> dict[str, Any]:
    return {
        "product_id": item.product_id,
        "name": item.name,
        "category": item.category,
        "rank": rank,
        "score": item.score,
        "reason": {
            "source": item.source,
            "text": item.text,
            "features": [{"name": e.name, "value": e.value, "effect": e.effect} for e in item.effects],
        },
    }
