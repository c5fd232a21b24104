"""Feature rows and queries with late and corrected data, and the obvious way to join them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from feature_store.core.catalogue import View
from feature_store.core.stamps import instant_of

HOUR_US = 3_600_000_000
START_US = 20_000 * 24 * HOUR_US
SQL_TYPES = {"int32": pa.int32(), "int64": pa.int64(), "float32": pa.float32(), "float64": pa.float64()}

# (customer, product, event hour, hours until known)
ROWS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(0, 12), st.sampled_from([0, 0, 0, 1, 3, 9])),
    max_size=14,
    unique=True,
)
QUERIES = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(-1, 24)), min_size=1, max_size=8, unique=True
)


def feature_rows(view: View, drawn: list[tuple[int, int, int, int]]) -> list[dict[str, Any]]:
    """Rows of a view: the drawn ones, unique by key, event and created time; values tell the rows apart."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, (customer, product, event, delay) in enumerate(drawn):
        stamps = {
            "event_timestamp": instant_of(START_US + event * HOUR_US),
            "created_timestamp": instant_of(START_US + (event + delay) * HOUR_US),
        }
        ids = {"customer_id": customer, "product_id": product}
        keys = {key: ids[key] for key in view.keys}
        values = {name: number + place for place, name in enumerate(view.feature_names)}
        rows.setdefault((*keys.values(), *stamps.values()), {**keys, **values, **stamps})
    return list(rows.values())


def write_rows(view: View, rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as a snapshot file."""
    stamp = pa.timestamp("us")
    fields = [(key, pa.int64()) for key in view.keys]
    fields += [(view.feature_name(f.column), SQL_TYPES[f.dtype]) for f in view.features]
    schema = pa.schema([*fields, ("event_timestamp", stamp), ("created_timestamp", stamp)])
    naive = [{k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in row.items()} for row in rows]
    pq.write_table(pa.Table.from_pylist(naive, schema=schema), path)


def queries(drawn: list[tuple[int, int, int]]) -> pd.DataFrame:
    """Entity rows."""
    rows = [(customer, product, instant_of(START_US + hour * HOUR_US)) for customer, product, hour in drawn]
    frame = pd.DataFrame(rows, columns=["customer_id", "product_id", "event_timestamp"])
    return frame.astype({"event_timestamp": "datetime64[us, UTC]"})


def brute_force(views: dict[str, tuple[View, list[dict[str, Any]]]], entities: pd.DataFrame) -> list[dict[str, Any]]:
    """For each entity row, of every view the newest row (event, then created time) that was known by then."""
    answers = []
    for _, entity in entities.iterrows():
        answer: dict[str, Any] = {}
        for view, rows in views.values():
            known = [
                row
                for row in rows
                if all(row[key] == entity[key] for key in view.keys)
                and row["event_timestamp"] <= entity["event_timestamp"]
                and row["created_timestamp"] <= entity["event_timestamp"]
            ]
            best = max(known, key=lambda row: (row["event_timestamp"], row["created_timestamp"]), default=None)
            answer |= {name: best[name] if best else None for name in view.feature_names}
        answers.append(answer)
    return answers


def as_dicts(joined: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """The joined features with None for null."""
    return [{n: None if pd.isna(row[n]) else row[n] for n in names} for _, row in joined.iterrows()]
