"""Feast's training sets against brute force and the ASOF join, with late and corrected rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_store.basket_memory import MEMORY
from feature_store.core.catalogue import View, load_catalogue
from feature_store.feature_repo.definitions import RECOMMENDER_ONLINE_V1, RECOMMENDER_V1, definitions
from feature_store.snapshots import Snapshots
from feature_store.store import render_repo
from feature_store.training_set import TRAINING_VIEWS, AsofTrainingSets, training_set
from shared_utils.errors import DataError
from tests.fakes.point_in_time import QUERIES, ROWS, as_dicts, brute_force, feature_rows, queries, write_rows

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast.*"),
]

VIEWS: list[View] = [load_catalogue().view(name) for name in TRAINING_VIEWS]
NAMES = [name for view in VIEWS for name in view.feature_names]
Drawn = list[tuple[int, int, int, int]]


class Sources(NamedTuple):
    store: FeatureStore
    snapshots: Snapshots


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("sources")
    paths = {view.name: folder / f"{view.name}.parquet" for view in load_catalogue().views}
    for view in VIEWS:
        write_rows(view, [], paths[view.name])
    write_rows(load_catalogue().view("customer_features"), [], paths[MEMORY])
    store = FeatureStore(repo_path=str(render_repo(folder, "redis://127.0.0.1:1/0")))
    unused = (MEMORY, RECOMMENDER_ONLINE_V1)
    store.apply([thing for thing in definitions(load_catalogue(), paths) if thing.name not in unused])
    return Sources(store, Snapshots(folder, paths, {}))


def _write(sources: Sources, drawn: list[Drawn]) -> dict[str, tuple[View, list[dict[str, object]]]]:
    rows = {view.name: (view, feature_rows(view, given)) for view, given in zip(VIEWS, drawn, strict=True)}
    for view, content in rows.values():
        write_rows(view, content, sources.snapshots.paths[view.name])
    return rows


@settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(ROWS, min_size=len(VIEWS), max_size=len(VIEWS)), QUERIES)
def test_feast_the_asof_join_and_brute_force_agree(
    sources: Sources, drawn: list[Drawn], asked: list[tuple[int, int, int]]
) -> None:
    views, entities = _write(sources, drawn), queries(asked)
    expected = brute_force(views, entities)
    feast = training_set(sources.store, entities, chunk_rows=5)
    asof = AsofTrainingSets(sources.snapshots).read(entities)
    assert as_dicts(feast, NAMES) == expected
    assert as_dicts(asof, NAMES) == expected
    assert list(feast.columns) == list(asof.columns) == ["customer_id", "product_id", "event_timestamp", *NAMES]
    assert feast["event_timestamp"].equals(entities["event_timestamp"])


LATE: Drawn = [(1, 1, 0, 0), (1, 1, 2, 9)]


def test_the_store_has_no_late_leak_even_for_a_caller_who_forgets_to_ask(sources: Sources) -> None:
    _write(sources, [LATE] * len(VIEWS))
    frame = queries([(1, 1, 5)])
    service = sources.store.get_feature_service(RECOMMENDER_V1)
    joined = sources.store.get_historical_features(frame, service).to_df()
    assert as_dicts(joined, NAMES)[0]["customer_day"] == 0


def test_materialization_leaves_out_what_was_not_known(sources: Sources) -> None:
    _write(sources, [LATE] * len(VIEWS))
    offline = sources.store._get_provider().offline_store
    view = sources.store.get_feature_view("customer_features")
    instant = queries([(1, 1, 5)])["event_timestamp"][0].to_pydatetime()
    for pull, rows in ((offline.pull_latest_from_table_or_query, 1), (offline.pull_all_from_table_or_query, 1)):
        job = pull(
            config=sources.store.config,
            data_source=view.batch_source,
            join_key_columns=["customer_id"],
            feature_name_columns=["customer_day"],
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
            start_date=datetime(2000, 1, 1, tzinfo=UTC),
            end_date=instant,
        )
        pulled: pd.DataFrame = job.to_df()
        assert len(pulled) == rows
        assert pulled["customer_day"].tolist() == [0]


def test_entities_must_name_their_keys(sources: Sources) -> None:
    with pytest.raises(DataError, match="lack product_id"):
        training_set(sources.store, queries([(1, 1, 0)]).drop(columns="product_id"))


def test_importing_the_definitions_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalogue = load_catalogue()
    built = definitions(catalogue, {view.name: tmp_path / view.name for view in catalogue.views})
    assert len(built) == 2 + sum(view.feast for view in catalogue.views) + 2
    assert not list(tmp_path.iterdir())
