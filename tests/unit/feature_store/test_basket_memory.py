from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from feature_store.basket_memory import write_basket_memory
from feature_store.core.catalogue import load_catalogue
from feature_store.core.product_table import unpack_product_table
from feature_store.product_table import build_product_table
from feature_store.snapshots import Snapshots
from shared_utils.errors import DataError
from tests.fakes.gold_tables import AS_OF, DAYS, FIRST_DAY, PRODUCTS


def _known(frame: pd.DataFrame, keys: list[str], as_of: datetime) -> pd.DataFrame:
    instant = as_of.replace(tzinfo=None)
    seen = frame[(frame["event_timestamp"] <= instant) & (frame["created_timestamp"] <= instant)]
    return seen.sort_values(["event_timestamp", "created_timestamp"]).groupby(keys, as_index=False).last()


@pytest.mark.parametrize("days_before", [0, 1, 9])
def test_the_memory_holds_the_newest_known_row_of_each_pair(snapshots: Snapshots, days_before: int) -> None:
    as_of = AS_OF - timedelta(days=days_before)
    memory = pd.read_parquet(write_basket_memory(snapshots, as_of)).set_index("customer_id")
    pairs = _known(pd.read_parquet(snapshots.paths["customer_product_features"]), ["customer_id", "product_id"], as_of)
    view = load_catalogue().view("customer_basket_memory")
    assert set(memory.index) == set(pairs["customer_id"])
    for customer, expected in pairs.sort_values("product_id").groupby("customer_id"):
        for column in view.columns:
            source = column if column == "product_id" else f"pair_{column}"
            assert np.array_equal(memory.loc[customer, view.feature_name(column)], expected[source])


def test_the_memory_carries_the_customers_own_event_time(snapshots: Snapshots) -> None:
    memory = pd.read_parquet(write_basket_memory(snapshots, AS_OF)).set_index("customer_id")
    customers = _known(pd.read_parquet(snapshots.paths["customer_features"]), ["customer_id"], AS_OF)
    assert memory["event_timestamp"].to_dict() == customers.set_index("customer_id")["event_timestamp"].to_dict()
    assert (memory["created_timestamp"] <= AS_OF.replace(tzinfo=None)).all()


def test_the_product_table_is_the_newest_known_state_with_this_weeks_promotion(snapshots: Snapshots) -> None:
    as_of = AS_OF - timedelta(days=3)
    table = unpack_product_table(build_product_table(snapshots, as_of))
    products = _known(pd.read_parquet(snapshots.paths["product_features"]), ["product_id"], as_of)
    assert table.columns["product_id"].tolist() == products["product_id"].tolist()
    for column in load_catalogue().view("product_features").columns:
        if column != "day":
            assert np.array_equal(table.columns[column], products[f"product_{column}"]), column
    promotions = pd.read_parquet(snapshots.paths["product_promotion"])
    week = FIRST_DAY + 7 * ((DAYS - 3) // 7)
    shares = promotions[promotions["product_promo_week_start_day"] == week].set_index("product_id")
    expected = shares["product_promo_mailer_share"].reindex(products["product_id"]).fillna(0)
    assert np.array_equal(table.columns["promo_mailer_share"], expected.to_numpy())
    assert expected.gt(0).any()


def test_the_neighbours_are_the_newest_snapshot_known_and_not_a_later_one(snapshots: Snapshots) -> None:
    table = unpack_product_table(build_product_table(snapshots, AS_OF))
    ids = table.columns["product_id"]
    copurchase = pd.read_parquet(snapshots.paths["product_copurchase"])
    newest = copurchase[copurchase["copurchase_snapshot_day"] == FIRST_DAY + 14].sort_values("copurchase_rank")
    for row, product in enumerate(ids):
        expected = newest[newest["product_id"] == product]["copurchase_neighbour_product_id"]
        held = table.neighbour_index[row][table.neighbour_index[row] >= 0]
        assert ids[held].tolist() == [p for p in expected if p in ids]
    assert set(ids) <= set(PRODUCTS)


def test_nothing_known_yet_is_an_error(snapshots: Snapshots) -> None:
    with pytest.raises(DataError, match="No product was sold"):
        build_product_table(snapshots, AS_OF - timedelta(days=60))
