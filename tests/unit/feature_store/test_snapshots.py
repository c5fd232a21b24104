from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

from data_lake.catalog import CUSTOMER_FEATURES, PRODUCT_FEATURES
from feature_store.core.catalogue import load_catalogue
from feature_store.snapshots import Snapshots, connect, take_snapshots
from shared_utils.errors import DataError
from tests.fakes.gold_tables import write_table


def test_columns_carry_feature_names_and_catalogue_dtypes(snapshots: Snapshots) -> None:
    sql_types = {"int32": "INTEGER", "int64": "BIGINT", "float32": "FLOAT", "float64": "DOUBLE"}
    for name, path in snapshots.paths.items():
        view = load_catalogue().view(name)
        rows = connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        expected = {view.feature_name(f.column): sql_types[f.dtype] for f in view.features}
        stamps = dict.fromkeys(("event_timestamp", "created_timestamp"), "TIMESTAMP")
        assert {r[0]: r[1] for r in rows} == {**dict.fromkeys(view.keys, "BIGINT"), **expected, **stamps}


def test_a_snapshot_is_pinned_to_the_version_it_was_taken_from(gold: Path, tmp_path: Path) -> None:
    lake = shutil.copytree(gold, tmp_path / "lake")
    first = take_snapshots(lake, tmp_path / "run")
    frame = DeltaTable(CUSTOMER_FEATURES.path(lake)).to_pandas()
    write_table(lake, CUSTOMER_FEATURES, frame.assign(orders_7d=frame["orders_7d"] + 1))
    second = take_snapshots(lake, tmp_path / "run")
    assert second.versions["customer_features"] == first.versions["customer_features"] + 1
    assert take_snapshots(lake, tmp_path / "run", first.versions).paths == first.paths
    old, new = (pd.read_parquet(s.paths["customer_features"]) for s in (first, second))
    assert (new["customer_orders_7d"] - old["customer_orders_7d"] == 1).all()


def _without_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="buyers_count")


def _with_null(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(buyers_count=frame["buyers_count"].astype("Int32").where(frame.index != 3))


def _with_twin(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[:1].assign(buyers_count=1)])


def _with_text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(buyers_count="many")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_without_column, "does not fit"),
        (_with_null, "nulls in product_buyers_count"),
        (_with_twin, "two rows"),
        (_with_text, "does not fit"),
    ],
)
def test_a_table_that_breaks_its_catalogue_entry_is_refused(
    gold: Path, tmp_path: Path, fault: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    lake = shutil.copytree(gold, tmp_path / "lake")
    frame = DeltaTable(PRODUCT_FEATURES.path(lake)).to_pandas()
    shutil.rmtree(PRODUCT_FEATURES.path(lake))
    write_table(lake, PRODUCT_FEATURES, fault(frame).reset_index(drop=True))
    with pytest.raises(DataError, match=message):
        take_snapshots(lake, tmp_path / "run")


def test_a_missing_table_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gold\.customer_features cannot be read") as caught:
        take_snapshots(tmp_path, tmp_path / "run")
    assert "batch_processing" in caught.value.remedy
