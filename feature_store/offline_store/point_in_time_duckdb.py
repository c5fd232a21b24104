"""Feast's DuckDB offline store with created time always in force.

Feast 0.67 joins on event time alone unless asked, and its materialization never looks at created time, so a repaired
row leaks into the past. Here both joins use only what was known at the instant of the query.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import ibis  # type: ignore[import-untyped]
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.ibis import (
    pull_all_from_table_or_query_ibis,
    pull_latest_from_table_or_query_ibis,
)
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.repo_config import RepoConfig


class PointInTimeDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Configuration of the store; it has no options of its own."""

    type: str = "feature_store.offline_store.point_in_time_duckdb.PointInTimeDuckDBOfflineStore"


class PointInTimeDuckDBOfflineStore(DuckDBOfflineStore):
    """DuckDB offline store that sees a row from its created time on."""

    @staticmethod
    def get_historical_features(*args: Any, **kwargs: Any) -> RetrievalJob:
        """Point-in-time join on event time and created time, whatever the caller asked for."""
        return DuckDBOfflineStore.get_historical_features(*args, **{**kwargs, "filter_by_created_timestamp": True})

    @staticmethod
    def pull_latest_from_table_or_query(*args: Any, **kwargs: Any) -> RetrievalJob:
        """The newest row of each entity with event time and created time up to `end_date`."""
        return _pull(pull_latest_from_table_or_query_ibis, *args, **kwargs)

    @staticmethod
    def pull_all_from_table_or_query(*args: Any, **kwargs: Any) -> RetrievalJob:
        """All rows with event time and created time up to `end_date`."""
        return _pull(pull_all_from_table_or_query_ibis, *args, **kwargs)


def _pull(
    pull: Callable[..., RetrievalJob],
    config: RepoConfig,
    data_source: DataSource,
    join_key_columns: list[str],
    feature_name_columns: list[str],
    timestamp_field: str,
    created_timestamp_column: str,
    start_date: datetime,
    end_date: datetime,
) -> RetrievalJob:
    known_by = end_date.astimezone(UTC).replace(tzinfo=None)

    def read_known(source: FileSource, _repo_path: str) -> Any:
        table = ibis.read_parquet(source.path)
        return table.filter(table[created_timestamp_column].cast("timestamp") <= ibis.literal(known_by))

    return pull(
        config=config,
        data_source=data_source,
        join_key_columns=join_key_columns,
        feature_name_columns=feature_name_columns,
        timestamp_field=timestamp_field,
        created_timestamp_column=created_timestamp_column,
        start_date=start_date,
        end_date=end_date,
        data_source_reader=read_known,
        data_source_writer=_refuse_write,
    )


def _refuse_write(*_: Any, **__: Any) -> None:
    raise TypeError("snapshots are written from the lake, not by Feast")
