from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from data_lake.catalog import DAILY_CUSTOMER
from data_lake.compare import compare, content_hash, read_table
from shared_utils.errors import DataError

AT = datetime(2026, 1, 1, tzinfo=UTC)


def table(**columns: list[object]) -> pa.Table:
    return pa.table({"id": [1, 2, 3], "cents": [10, 20, None], "share": [0.1, 0.2, 0.3], "at": [AT] * 3, **columns})


def test_order_and_files_do_not_matter() -> None:
    left = table()
    shuffled = pa.concat_tables([left.slice(2), left.slice(0, 2)])
    assert compare(left, shuffled, ["id"]).equal
    assert content_hash(left, ["id"]) == content_hash(shuffled, ["id"])
    assert str(compare(left, shuffled, ["id"])) == "equal, 3 rows"


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"cents": [10, 2000, None]}, "cents"),
        ({"cents": [10, 20, 0]}, "cents"),
        ({"share": [0.1, 0.2, None]}, "share"),
        ({"share": [0.1, 0.2, 0.3001]}, "share"),
        ({"at": [AT, AT + timedelta(hours=1), AT]}, "at"),
    ],
)
def test_one_wrong_value_is_found_and_shown(changed: dict[str, list[object]], column: str) -> None:
    difference = compare(table(), table(**changed), ["id"], 1e-9)
    assert (difference.changed, difference.changed_columns, difference.equal) == (1, (column,), False)
    assert set(difference.examples[0]["left"]) == {column}
    assert content_hash(table(), ["id"]) != content_hash(table(**changed), ["id"])


def test_floats_agree_within_the_relative_bound_only() -> None:
    near = table(share=[0.1 * (1 + 1e-12), 0.2, 0.3])
    assert compare(table(), near, ["id"], 1e-9).equal
    assert not compare(table(), near, ["id"]).equal


def test_lost_and_repeated_rows_are_counted() -> None:
    lost = compare(table(), table().slice(1), ["id"])
    assert (lost.only_left, lost.only_right) == (1, 0)
    assert lost.examples[0]["key"] == (1,)
    assert lost.examples[0]["right"] is None
    twice = pa.concat_tables([table(), table().slice(0, 1)])
    assert compare(table(), twice, ["id"]).repeated_keys == 1
    assert not compare(twice, twice, ["id"]).equal


def test_a_missing_column_is_a_difference_unless_ignored() -> None:
    narrow = table().drop_columns(["at"])
    assert compare(table(), narrow, ["id"]).columns == ("at",)
    assert compare(table(), narrow, ["id"], ignore=["at"]).equal


def test_empty_tables_are_equal_and_an_absent_one_is_named(tmp_path: Path) -> None:
    empty = table().slice(0, 0)
    assert compare(empty, empty, ["id"]).equal
    assert content_hash(empty, ["id"]) == content_hash(empty, ["id"])
    with pytest.raises(DataError, match=r"gold\.daily_customer does not exist"):
        read_table(DAILY_CUSTOMER, tmp_path)
