from __future__ import annotations

import numpy as np
import pytest

from feature_store.core.packing import HEADER, Stamp
from feature_store.core.product_table import (
    NEIGHBOURS,
    pack_product_table,
    product_columns,
    product_table_layout,
    unpack_product_table,
    version_of,
)
from ml_modeling.core.states import ProductTable as RankerProducts
from shared_utils.errors import DataError

IDS = np.array([10, 20, 40])
STAMP = Stamp(20_000 * 86_400_000_000, 20_000 * 86_400_000_000 + 5)


def columns() -> dict[str, np.ndarray]:
    values = {name: np.arange(3).astype(dtype) for name, dtype in product_columns().items()}
    return {**values, "product_id": IDS}


def neighbours(rows: list[tuple[int, int, float]]) -> dict[str, np.ndarray]:
    product, other, score = zip(*rows, strict=True) if rows else ((), (), ())
    return {
        "product_id": np.array(product, dtype=np.int64),
        "neighbour_product_id": np.array(other, dtype=np.int64),
        "score": np.array(score, dtype=np.float32),
    }


def test_the_table_comes_back_with_dense_neighbours() -> None:
    rows = [(10, 40, 0.5), (10, 20, 0.25), (10, 99, 0.9), (30, 10, 0.9), (40, 10, 0.125)]
    table = unpack_product_table(pack_product_table(STAMP, columns(), neighbours(rows)))
    assert table.as_of_day == 20_000
    for name, values in columns().items():
        assert np.array_equal(table.columns[name], values)
        assert table.columns[name].dtype == product_columns()[name]
    assert table.neighbour_index.shape == table.neighbour_score.shape == (3, NEIGHBOURS)
    assert table.neighbour_index[:, :3].tolist() == [[2, 1, -1], [-1, -1, -1], [0, -1, -1]]
    assert table.neighbour_score[:, :2].tolist() == [[0.5, 0.25], [0, 0], [0.125, 0]]


def test_a_table_without_neighbours_is_fine() -> None:
    table = unpack_product_table(pack_product_table(STAMP, columns(), neighbours([])))
    assert (table.neighbour_index == -1).all()


def test_the_columns_are_the_fields_of_the_rankers_table() -> None:
    assert tuple(product_columns()) == tuple(RankerProducts.__dataclass_fields__)


def test_same_content_same_version_other_content_other_version() -> None:
    first, again = (pack_product_table(STAMP, columns(), neighbours([])) for _ in range(2))
    other = pack_product_table(STAMP, {**columns(), "orders_count": np.array([1, 1, 1])}, neighbours([]))
    assert first == again
    versions = {version_of(product_table_layout().header(blob[: HEADER.size])) for blob in (first, other)}
    assert len(versions) == 2
    assert unpack_product_table(first).version in versions


def test_a_damaged_table_is_refused() -> None:
    blob = bytearray(pack_product_table(STAMP, columns(), neighbours([])))
    blob[-9] ^= 1
    with pytest.raises(DataError, match="damaged"):
        unpack_product_table(bytes(blob))


@pytest.mark.parametrize("ids", [[10, 10, 40], [20, 10, 40], [10, 20]])
def test_ids_must_be_ascending_and_complete(ids: list[int]) -> None:
    with pytest.raises(DataError, match="one row per product"):
        pack_product_table(STAMP, {**columns(), "product_id": np.array(ids)}, neighbours([]))
