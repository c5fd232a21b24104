from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.core.catalogue import load_catalogue
from feature_store.core.packing import HEADER, Field, RecordLayout, Stamp, view_layout
from feature_store.core.stamps import day_of, instant_of, us_of
from shared_utils.errors import DataError

LAYOUT = RecordLayout(
    "mixed",
    (
        Field("count", "int32", False),
        Field("ids", "int64", True),
        Field("ratio", "float32", False),
        Field("sums", "float64", True),
        Field("total", "int64", False),
        Field("days", "int32", True),
    ),
)
STAMP = Stamp(1_700_000_000_000_001, 1_700_000_000_000_002)
VALUES = {
    "count": -3,
    "ids": [2**53 + 1, 5],
    "ratio": float(np.float32(0.1)),
    "sums": [0.1, 1e-300, 7.0],
    "total": 2**62,
    "days": [],
}


def test_values_and_stamp_come_back_exactly() -> None:
    stamp, values = LAYOUT.unpack(LAYOUT.pack(STAMP, VALUES))
    assert stamp == STAMP
    assert [v.tolist() if isinstance(v, np.ndarray) else v for v in values] == list(VALUES.values())


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)), max_size=50),
    st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
)
def test_any_values_come_back_exactly(rows: list[tuple[int, float]], count: int | None) -> None:
    ids, sums = np.array([r[0] for r in rows], dtype=np.int64), [r[1] for r in rows]
    blob = LAYOUT.pack(STAMP, {**VALUES, "count": count, "ids": ids, "sums": sums})
    values = dict(zip((f.name for f in LAYOUT.fields), LAYOUT.unpack(blob)[1], strict=True))
    assert values["count"] == count
    assert np.array_equal(np.asarray(values["ids"]), ids)
    assert np.asarray(values["sums"]).tolist() == sums
    assert len(blob) % 8 == 0
    assert LAYOUT.is_intact(blob)


def test_decoded_arrays_are_views_that_nobody_can_write() -> None:
    array = LAYOUT.unpack(LAYOUT.pack(STAMP, VALUES))[1][1]
    assert isinstance(array, np.ndarray)
    assert not array.flags.writeable
    assert not array.flags.owndata


@pytest.mark.parametrize("size", [0, 20, 47, 60, -8, -1])
def test_a_truncated_blob_is_refused(size: int) -> None:
    with pytest.raises(DataError, match=r"truncated|bytes"):
        LAYOUT.unpack(LAYOUT.pack(STAMP, VALUES)[:size])


def test_a_blob_of_another_layout_is_refused() -> None:
    other = RecordLayout("mixed", (*LAYOUT.fields[:-1], Field("weeks", "int32", True)))
    with pytest.raises(DataError, match="another layout"):
        LAYOUT.unpack(other.pack(STAMP, {**VALUES, "weeks": []}))


def test_a_changed_byte_breaks_the_digest() -> None:
    blob = bytearray(LAYOUT.pack(STAMP, VALUES))
    blob[HEADER.size] ^= 1
    assert not LAYOUT.is_intact(bytes(blob))


@pytest.mark.parametrize("fault", [{"count": 2**31}, {"days": [2**31]}, {"days": [0.5]}, {"ids": None}, {"total": "x"}])
def test_a_value_that_does_not_fit_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(DataError, match="cannot be packed"):
        LAYOUT.pack(STAMP, {**VALUES, **fault})  # type: ignore[dict-item]


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be packed"):
        LAYOUT.pack(STAMP, {"count": 1})


def test_view_layouts_follow_the_catalogue() -> None:
    catalogue = load_catalogue()
    for name, is_array in (("customer_features", False), ("customer_basket_memory", True)):
        layout = view_layout(catalogue.view(name))
        assert tuple(f.name for f in layout.fields) == catalogue.view(name).feature_names
        assert {f.is_array for f in layout.fields} == {is_array}


def test_instants_are_exact_microseconds() -> None:
    instant = instant_of(STAMP.event_us)
    assert us_of(instant) == us_of(instant.replace(tzinfo=None)) == STAMP.event_us
    assert day_of(STAMP.event_us) == STAMP.event_us // 86_400_000_000
