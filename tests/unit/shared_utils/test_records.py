from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.errors import DataError
from shared_utils.records import Record, from_line, to_line

RECORDS = st.builds(
    Record,
    topic=st.text(min_size=1),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=200),
    timestamp_ms=st.none() | st.integers(0, 2**42),
    headers=st.dictionaries(st.text(max_size=10), st.binary(max_size=20), max_size=3),
)


@given(RECORDS)
def test_a_record_survives_its_line(record: Record) -> None:
    line = to_line(record)

    assert from_line(line) == record
    assert "\n" not in line


def test_a_tombstone_is_not_an_empty_value() -> None:
    assert from_line(to_line(Record("t", b"1", None))).value is None
    assert from_line(to_line(Record("t", b"1", b""))).value == b""


def test_the_spool_of_the_data_sources_is_read() -> None:
    line = {
        "topic": "t",
        "key": "7",
        "value_b64": "e30=",
        "timestamp_ms": 5,
        "headers": {"schema_version": "1"},
        "spool_id": 9,
    }

    assert from_line(json.dumps(line)) == Record("t", b"7", b"{}", 5, {"schema_version": b"1"})


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"topic": "t", "key": 1, "value_b64": "*", "timestamp_ms": 0, "headers": 3}']
)
def test_a_damaged_line_is_named(line: str) -> None:
    with pytest.raises(DataError, match="spool line"):
        from_line(line)
