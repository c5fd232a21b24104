"""Point-in-time training sets: for each (customer, product, instant), the features that were known at that instant.

Two implementations with one result: Feast's historical retrieval (the registry's join, checked in tests and used for
samples) and the ASOF join (used for whole training sets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd

from feature_store.core.catalogue import View, load_catalogue
from feature_store.feature_repo.definitions import RECOMMENDER_V1
from feature_store.point_in_time import asof_join, register_effective
from feature_store.snapshots import Snapshots, connect
from feature_store.store import ibis_muted
from shared_utils.errors import DataError

if TYPE_CHECKING:
    from feast import FeatureStore

KEYS = ("customer_id", "product_id")
INSTANT = "event_timestamp"
TRAINING_VIEWS = ("customer_features", "product_features", "product_promotion", "customer_product_features")


def training_set(
    store: FeatureStore, entities: pd.DataFrame, *, service: str = RECOMMENDER_V1, chunk_rows: int = 50_000
) -> pd.DataFrame:
    """`entities` (customer_id, product_id, event_timestamp) with the service's features, through Feast.

    Shape: the rows of `entities`, in their order; null where nothing was known. Filtered by event time and created
    time. Raises DataError: a column is missing.
    """
    _check(entities)
    chunks = [
        _feast_chunk(store, entities.iloc[start : start + chunk_rows], service)
        for start in range(0, len(entities), chunk_rows)
    ]
    return pd.concat(chunks, ignore_index=True)


def _feast_chunk(store: FeatureStore, chunk: pd.DataFrame, service: str) -> pd.DataFrame:
    # Feast keeps no order; a row number goes along and comes off again.
    frame = chunk.reset_index(drop=True).assign(entity_row=np.arange(len(chunk)))
    frame[INSTANT] = pd.to_datetime(frame[INSTANT], utc=True)
    with ibis_muted():
        job = store.get_historical_features(frame, store.get_feature_service(service), filter_by_created_timestamp=True)
        joined: pd.DataFrame = job.to_df().sort_values("entity_row", ignore_index=True)
    if len(joined) != len(chunk):
        raise DataError("Feast changed the number of rows.", "Compare with training_set_asof on the same entities.")
    return joined.drop(columns="entity_row")


class AsofTrainingSets:
    """Training sets by ASOF join over one set of snapshots; the views are prepared once, then read in any chunks."""

    def __init__(self, snapshots: Snapshots, views: tuple[str, ...] = TRAINING_VIEWS) -> None:
        self._connection: duckdb.DuckDBPyConnection = connect()
        self._views: list[View] = [load_catalogue().view(name) for name in views]
        for view in self._views:
            register_effective(self._connection, view, snapshots.paths[view.name])

    def read(self, entities: pd.DataFrame) -> pd.DataFrame:
        """As `training_set`, same columns and values."""
        _check(entities)
        return asof_join(self._connection, entities.reset_index(drop=True), self._views, INSTANT)


def _check(entities: pd.DataFrame) -> None:
    missing = [name for name in (*KEYS, INSTANT) if name not in entities.columns]
    if missing:
        raise DataError(f"The entities lack {', '.join(missing)}.", "Pass customer_id, product_id and event_timestamp.")
