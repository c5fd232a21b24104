from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingestion_layer.kafka.repair import Repairs, load_repairs, merge_patch, names_of
from shared_utils.errors import DataError
from shared_utils.records import Received

WHERE = {"source_topic": b"shop.click.v1", "source_partition": b"1", "source_offset": b"42"}


def refused(value: bytes | None) -> Received:
    return Received("shop.click.v1.dlq", b"7", value, 0, WHERE, 0, 3)


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        (None, {"a": 1}, {"a": 1}),
    ],
)
def test_merge_patch(target: object, patch: object, merged: object) -> None:
    assert merge_patch(target, patch) == merged


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[1]", b'{"event_id": 5}'])
def test_an_unreadable_event_is_named_by_its_coordinate(value: bytes | None) -> None:
    assert names_of(refused(value)) == ["shop.click.v1/1/42"]


def test_a_patch_is_found_by_the_event_id() -> None:
    repairs = Repairs(patches={"e1": {"page": "home"}})

    assert json.loads(repairs.apply(refused(b'{"event_id":"e1","page":"?"}')) or b"") == {
        "event_id": "e1",
        "page": "home",
    }
    assert repairs.apply(refused(b'{"event_id":"e2"}')) is None


def test_both_files_are_read(tmp_path: Path) -> None:
    patch, repaired = tmp_path / "patch.json", tmp_path / "repaired.ndjson"
    patch.write_text('{"e1": {"page": "home"}}')
    repaired.write_text('{"event_id": "e2"}\n\n{"coordinate": "shop.click.v1/1/42", "event": {"event_id": "e3"}}\n')

    repairs = load_repairs(patch, repaired)

    assert set(repairs.patches) == {"e1"}
    assert repairs.apply(refused(b"not json")) == b'{"event_id":"e3"}'


@pytest.mark.parametrize("text", ["{", '{"no": "id"}', "7"])
def test_a_malformed_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "repaired.ndjson"
    path.write_text(text)

    with pytest.raises(DataError, match="repairs"):
        load_repairs(None, path)
