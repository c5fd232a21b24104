"""The trainer's own reader of gold against a scan by hand, at every midnight; some rows are repaired hours late."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

from data_lake.catalog import CUSTOMER_FEATURES, CUSTOMER_PRODUCT_FEATURES, PRODUCT_FEATURES, Table
from feature_store.snapshots import take_snapshots
from ml_modeling.core.states import CustomerState, PairState
from ml_modeling.gold_source import GoldSource, load_gold
from shared_utils.errors import DataError
from tests.fakes.gold_tables import DAYS, FIRST_DAY, write_gold

MIDNIGHTS = range(FIRST_DAY + 1, FIRST_DAY + DAYS + 6)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lake")
    write_gold(root)
    return root


@pytest.fixture(scope="module")
def gold(lake: Path) -> GoldSource:
    return load_gold(take_snapshots(lake, lake))


def known(lake: Path, table: Table, keys: list[str], midnight: int) -> pd.DataFrame:
    """The newest row of each key whose two stamps are not after the midnight that opens the day."""
    rows = DeltaTable(table.path(lake)).to_pandas()
    instant = pd.Timestamp(midnight, unit="D", tz="UTC")
    rows = rows[(rows.event_timestamp <= instant) & (rows.created_timestamp <= instant)]
    return rows.sort_values(["event_timestamp", "created_timestamp"]).groupby(keys).last().reset_index()


@pytest.mark.parametrize("midnight", MIDNIGHTS)
def test_a_customer_is_what_was_known_at_midnight(lake: Path, gold: GoldSource, midnight: int) -> None:
    truth = known(lake, CUSTOMER_FEATURES, ["customer_id"], midnight).set_index("customer_id")
    for index, customer in enumerate(gold.customer_ids.tolist()):
        if customer not in truth.index:
            with pytest.raises(DataError, match="no snapshot"):
                gold.customers.at(index, midnight)
            continue
        state = gold.customers.at(index, midnight)
        assert {n: getattr(state, n) for n in CustomerState.__slots__} == {
            n: truth.loc[customer, n] for n in CustomerState.__slots__
        }


@pytest.mark.parametrize("midnight", MIDNIGHTS)
def test_pairs_are_what_was_known_at_midnight(lake: Path, gold: GoldSource, midnight: int) -> None:
    truth = known(lake, CUSTOMER_PRODUCT_FEATURES, ["customer_id", "product_id"], midnight)
    columns = PairState.__slots__[1:]
    for index, customer in enumerate(gold.customer_ids.tolist()):
        mine = truth[truth.customer_id == customer].sort_values("product_id")
        pairs = gold.pairs.at(index, midnight)
        assert gold.product_ids[pairs.product_index].tolist() == mine.product_id.tolist()
        for name in columns:
            assert getattr(pairs, name).tolist() == pytest.approx(mine[name].tolist())


@pytest.mark.parametrize("midnight", MIDNIGHTS)
def test_products_are_what_was_known_at_midnight(lake: Path, gold: GoldSource, midnight: int) -> None:
    truth = known(lake, PRODUCT_FEATURES, ["product_id"], midnight).set_index("product_id")
    table = gold.products.at(midnight)
    for index, product in enumerate(gold.product_ids.tolist()):
        expected = truth.orders_count.get(product, 0)
        assert table.orders_count[index] == expected
        if expected:
            assert table.spend_cents_sum[index] == truth.spend_cents_sum[product]
