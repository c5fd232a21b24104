"""Small gold feature tables with the real columns, seeded: some rows are repaired late, some are corrected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from deltalake import write_deltalake

from data_lake.catalog import (
    CUSTOMER_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    PRODUCT_COPURCHASE,
    PRODUCT_FEATURES,
    PRODUCT_PROMOTION_WEEK,
    Table,
)
from feature_store.core.catalogue import load_catalogue
from feature_store.core.stamps import US_PER_DAY, instant_of

FIRST_DAY = 20_003  # a Monday
DAYS = 21
AS_OF = instant_of((FIRST_DAY + DAYS) * US_PER_DAY)
CUSTOMERS = tuple(range(1, 9))
PRODUCTS = tuple(range(100, 118))


def write_gold(lake_root: Path, seed: int = 7) -> None:
    """Write the five tables that the feature store reads."""
    random = np.random.default_rng(seed)
    customers = [(c, day) for c in CUSTOMERS for day in range(FIRST_DAY + c % 3, FIRST_DAY + DAYS)]
    pairs = sorted(
        (c, p, FIRST_DAY + c % 3 + int(d))
        for c in CUSTOMERS
        for p in random.choice(PRODUCTS, 7, replace=False)
        for d in random.choice(DAYS - 3, 3, replace=False)
    )
    products = sorted({(p, day) for _, p, day in pairs})
    for table, keys, rows in (
        (CUSTOMER_FEATURES, ("customer_id", "day"), customers),
        (CUSTOMER_PRODUCT_FEATURES, ("customer_id", "product_id", "day"), pairs),
        (PRODUCT_FEATURES, ("product_id", "day"), products),
    ):
        write_table(lake_root, table, _states(table, keys, rows, random))
    write_table(lake_root, PRODUCT_COPURCHASE, _neighbours(random))
    write_table(lake_root, PRODUCT_PROMOTION_WEEK, _promotions(random))


def write_table(lake_root: Path, table: Table, frame: pd.DataFrame) -> None:
    """Write a frame as the whole content of a table."""
    write_deltalake(table.path(lake_root), frame, mode="overwrite", schema_mode="overwrite")


def _states(table: Table, keys: tuple[str, ...], rows: Iterable[tuple[int, ...]], random: Any) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(keys))
    view = load_catalogue().view(table.name)
    for feature in view.features:
        if feature.column not in frame:
            drawn = random.integers(1, 5_000, len(frame))
            frame[feature.column] = drawn / 7 if feature.dtype == "float64" else drawn.astype(feature.dtype)
    for column in {"first_day", "last_day", "first_order_day", "last_order_day"} & set(frame.columns):
        frame[column] = frame["day"]
    frame["event_timestamp"] = _instants(frame["day"] + 1)
    repaired = random.random(len(frame)) < 0.2
    delay = pd.to_timedelta(np.where(repaired, random.integers(1, 96, len(frame)), 0), unit="h")
    frame["created_timestamp"] = frame["event_timestamp"] + delay
    corrected = frame[random.random(len(frame)) < 0.1].copy()
    corrected["created_timestamp"] += pd.Timedelta(hours=30)
    corrected[view.columns[-1]] += 1
    both = pd.concat([frame, corrected], ignore_index=True)
    both["event_timestamp"] = both["event_timestamp"].dt.tz_localize("UTC")
    both["created_timestamp"] = both["created_timestamp"].dt.tz_localize("UTC")
    return both


def _instants(days: pd.Series[int]) -> pd.Series[pd.Timestamp]:
    return pd.to_datetime(days * US_PER_DAY, unit="us").astype("datetime64[us]")


def _neighbours(random: Any) -> pd.DataFrame:
    rows = [
        (snapshot, product, int(neighbour), rank, float(np.float32(1 / (rank + 1))))
        for snapshot in (FIRST_DAY + 7, FIRST_DAY + 14, FIRST_DAY + DAYS + 7)
        for product in PRODUCTS[:6]
        for rank, neighbour in enumerate(random.choice([p for p in PRODUCTS if p != product], 3, replace=False), 1)
    ]
    frame = pd.DataFrame(rows, columns=["snapshot_day", "product_id", "neighbour_product_id", "rank", "score"])
    frame = frame.astype({"rank": "int16", "score": "float32", "snapshot_day": "int32"})
    return frame.assign(event_timestamp=_instants(frame["snapshot_day"].astype("int64")).dt.tz_localize("UTC"))


def _promotions(random: Any) -> pd.DataFrame:
    weeks = [FIRST_DAY + 7 * week for week in range(DAYS // 7 + 1)]
    rows = [(p, _instants(pd.Series([week]))[0].date(), *random.random(2)) for p in PRODUCTS[::2] for week in weeks]
    names = ["product_id", "week_start", "promo_mailer_share", "promo_display_share"]
    return pd.DataFrame(rows, columns=names).astype({"promo_mailer_share": "float32", "promo_display_share": "float32"})
