from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from data_sources.events import Events
from data_sources.spool import FATES_FILE, MANIFEST_FILE, SPOOL_FILE, write_spool


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory, stream: Events) -> Path:
    out = tmp_path_factory.mktemp("spool")
    write_spool(out, stream, seed=7)
    return out


def test_a_record_carries_the_value_as_it_is(spool: Path, stream: Events) -> None:
    records = [orjson.loads(line) for line in (spool / SPOOL_FILE).read_bytes().splitlines()]
    values = [None if r["value_b64"] is None else b64decode(r["value_b64"]) for r in records]
    assert values == stream.values
    assert None in values
    assert b"" in values
    assert [r["spool_id"] for r in records] == list(range(len(stream)))
    assert [r["timestamp_ms"] for r in records] == sorted(r["timestamp_ms"] for r in records)
    assert {r["headers"]["schema_version"] for r in records} == {"1"}


def test_a_copy_comes_after_its_original_under_the_same_key(stream: Events) -> None:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, event_id in enumerate(stream.event_ids):
        if event_id is not None:
            rows[event_id].append(row)
    copied = [group for group in rows.values() if len(group) > 1]
    assert copied
    for first, second in copied:
        assert stream.fates[first] == "silver"
        assert stream.keys[first] == stream.keys[second]
        assert stream.fates[second] in ("duplicate", "quarantine:ID_CONFLICT")


def test_the_truth_has_one_row_a_record(spool: Path, stream: Events) -> None:
    fates = pq.read_table(spool / FATES_FILE)
    assert fates.column_names == ["spool_id", "topic", "event_id", "fate", "fault", "event_time", "arrival_time"]
    assert fates["spool_id"].to_pylist() == list(range(len(stream)))
    assert fates["fate"].to_pylist() == stream.fates
    assert fates["topic"].to_pylist() == stream.topics
    assert fates["arrival_time"].cast("int64").to_pylist() == stream.arrival_ms.tolist()


def test_the_truth_stays_out_of_the_spool(spool: Path) -> None:
    text = (spool / SPOOL_FILE).read_bytes()
    assert b'"fate"' not in text
    assert b"out_of_order" not in text


def test_the_manifest_adds_up(spool: Path, stream: Events) -> None:
    manifest = orjson.loads((spool / MANIFEST_FILE).read_bytes())
    assert manifest["records"] == len(stream) == sum(manifest["records_by_topic"].values())
    assert manifest["seed"] == 7
