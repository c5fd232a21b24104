"""Entities, feature views and feature services, built from the catalogue over one set of snapshot files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feature_store import quick_feast  # noqa: F401

# isort: split
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.types import Array, Float32, Float64, Int32, Int64

from feature_store.core.catalogue import Catalogue, View

RECOMMENDER_V1 = "recommender_v1"
RECOMMENDER_ONLINE_V1 = "recommender_online_v1"
_SERVICES: Mapping[str, tuple[str, ...]] = {
    RECOMMENDER_V1: ("customer_features", "product_features", "product_promotion", "customer_product_features"),
    RECOMMENDER_ONLINE_V1: ("customer_features", "customer_basket_memory"),
}
_TYPES: Mapping[str, Any] = {"int32": Int32, "int64": Int64, "float32": Float32, "float64": Float64}


def definitions(catalogue: Catalogue, sources: Mapping[str, Path]) -> list[Any]:
    """Everything `apply` needs. `sources` maps each Feast view to its parquet snapshot.

    Feature names are unique over all views: Feast cannot join two views that share one.
    """
    entities = {key: Entity(name=key, join_keys=[key], value_type=ValueType.INT64) for key in ENTITY_KEYS}
    views = {view.name: _view(view, entities, sources[view.name]) for view in catalogue.views if view.feast}
    services = [FeatureService(name=name, features=[views[v] for v in parts]) for name, parts in _SERVICES.items()]
    return [*entities.values(), *views.values(), *services]


ENTITY_KEYS = ("customer_id", "product_id")


def _view(view: View, entities: Mapping[str, Entity], path: Path) -> FeatureView:
    source = FileSource(
        name=f"{view.name}_snapshot",
        path=str(path),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )
    # No TTL: Feast's does not hide a stale value online; readers look at the event time instead.
    return FeatureView(
        name=view.name,
        entities=[entities[key] for key in view.keys],
        schema=[*(Field(name=key, dtype=Int64) for key in view.keys), *_fields(view)],
        source=source,
        online=view.online,
        description=view.description,
        owner=view.owner,
    )


def _fields(view: View) -> list[Field]:
    types = [Array(_TYPES[f.dtype]) if view.arrays_of else _TYPES[f.dtype] for f in view.features]
    return [
        Field(name=view.feature_name(f.column), dtype=dtype, description=f.meaning, tags={"unit": f.unit})
        for f, dtype in zip(view.features, types, strict=True)
    ]
