"""Point in time: what Feast gives a training row, the fast join's answer and a scan by hand agree.

The scan reads gold itself, row by row and with no join: for one key and one instant, the newest row whose event time
and created time both lie at or before the instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from data_lake.catalog import CUSTOMER_FEATURES, CUSTOMER_PRODUCT_FEATURES, PRODUCT_FEATURES, Table
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from feature_store.core.catalogue import load_catalogue
from feature_store.snapshots import Snapshots
from feature_store.training_set import INSTANT, AsofTrainingSets, training_set
from production_ops.proofs.result import ProofResult

if TYPE_CHECKING:
    from feast import FeatureStore

_TABLES = (CUSTOMER_FEATURES, PRODUCT_FEATURES, CUSTOMER_PRODUCT_FEATURES)
_SHOWN = 5
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def sample_entities(lake_root: LakeRoot, days: tuple[int, int], rows: int, seed: int = 7) -> pd.DataFrame:
    """`rows` pairs that were bought at some time, each at a random midnight of the days `[first, last)`.

    Many are asked before their first purchase: there the right answer is nothing.
    """
    with duckdb.connect() as con:
        con.register("pair", open_delta(CUSTOMER_PRODUCT_FEATURES, lake_root).to_pyarrow_dataset())
        pairs = con.execute("SELECT DISTINCT customer_id, product_id FROM pair ORDER BY ALL").df()
    rng = np.random.default_rng(seed)
    chosen = pairs.iloc[np.sort(rng.choice(len(pairs), rows, replace=len(pairs) < rows))].reset_index(drop=True)
    chosen[INSTANT] = pd.to_datetime(rng.integers(days[0], days[1], rows), unit="D", utc=True)
    return chosen


def check_point_in_time(
    lake_root: LakeRoot, store: FeatureStore, snapshots: Snapshots, entities: pd.DataFrame
) -> ProofResult:
    """Compare the two implementations with the scan, value by value."""
    answers = {"Feast": training_set(store, entities), "ASOF join": AsofTrainingSets(snapshots).read(entities)}
    compared, findings = 0, []
    for table in _TABLES:
        truth = _scan(lake_root, table, entities)
        for who, given in answers.items():
            for column in truth.columns:
                compared += len(truth)
                wrong = ~_equal(given[column].to_numpy(dtype=float), truth[column].to_numpy(dtype=float))
                findings += [
                    f"{who}: {column} of {_asked(entities, i)} is {given[column].iloc[i]:g}, "
                    f"gold says {truth[column].iloc[i]:g}"
                    for i in np.flatnonzero(wrong).tolist()
                ]
    return ProofResult(
        name="point-in-time training rows",
        figure=f"{len(entities):,} rows, {compared:,} values by Feast and by ASOF join, {len(findings)} differ",
        bound="0 differ from a scan by hand",
        passed=not findings and compared > 0,
        findings=tuple(findings[:_SHOWN]),
        numbers={"rows": len(entities), "values": compared, "differences": len(findings)},
    )


def _asked(entities: pd.DataFrame, row: int) -> str:
    entity = entities.iloc[row]
    return f"customer {entity.customer_id}, product {entity.product_id} at {entity[INSTANT]:%F}"


def _equal(left: FloatArray, right: FloatArray) -> BoolArray:
    equal: BoolArray = np.isclose(left, right, rtol=1e-12, atol=0.0, equal_nan=True)
    return equal


def _scan(lake_root: LakeRoot, table: Table, entities: pd.DataFrame) -> pd.DataFrame:
    """Shape: one row an entity, in order, columns under their feature names; NaN where nothing was known."""
    view = load_catalogue().view(table.name)
    keys, columns = list(view.keys), list(view.columns)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("gold", open_delta(table, lake_root).to_pyarrow_dataset())
        con.register("wanted", entities[keys].drop_duplicates())
        rows = con.execute(
            f"SELECT gold.* FROM gold SEMI JOIN wanted USING ({', '.join(keys)}) "  # noqa: S608
            "ORDER BY event_timestamp, created_timestamp"
        ).df()
    event, created = (_microseconds(rows[name]) for name in ("event_timestamp", "created_timestamp"))
    by_key = rows.groupby(keys if len(keys) > 1 else keys[0], sort=False).indices
    values = rows[columns].to_numpy(dtype=float)
    found = np.full((len(entities), len(columns)), np.nan)
    asked = zip(entities[keys].itertuples(index=False, name=None), _microseconds(entities[INSTANT]), strict=True)
    for row, (key, instant) in enumerate(asked):
        mine = by_key.get(key if len(key) > 1 else key[0], np.empty(0, dtype=np.int64))
        known = mine[(event[mine] <= instant) & (created[mine] <= instant)]
        if len(known):
            found[row] = values[known[-1]]
    return pd.DataFrame(found, columns=[view.feature_name(column) for column in columns])


def _microseconds(instants: pd.Series) -> npt.NDArray[np.int64]:
    return pd.DatetimeIndex(instants).as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64)
