from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ml_modeling.core.bundle import ModelBundle, PopularityLists
from ml_modeling.core.candidates import PopularityTable
from ml_modeling.core.features import FEATURE_NAMES
from shared_utils.errors import DataError
from tests.fakes.serving import load_linear, make_bundle, product_ids


def test_a_bundle_comes_back_as_it_was_written(tmp_path: Path) -> None:
    bundle = make_bundle(1)
    digest = bundle.write(tmp_path / "deep" / "bundle.zip")
    again = ModelBundle.read(tmp_path / "deep" / "bundle.zip", expected_sha256=digest)
    assert again.to_bytes() == bundle.to_bytes()
    assert again.labels == bundle.labels
    assert np.array_equal(again.popularity.product_id, bundle.popularity.product_id)
    again.check(load_linear(again).score, FEATURE_NAMES)


def test_equal_contents_are_equal_bytes_and_others_are_not(tmp_path: Path) -> None:
    assert make_bundle(1).to_bytes() == make_bundle(1).to_bytes()
    assert make_bundle(1).to_bytes() != make_bundle(2).to_bytes()


def test_golden_values_survive_json_to_the_last_bit() -> None:
    bundle = ModelBundle.from_bytes(make_bundle(1).to_bytes())
    rows = np.array(bundle.manifest.golden_rows, dtype=np.float32)
    assert np.array_equal(rows, np.array(make_bundle(1).manifest.golden_rows, dtype=np.float32))


def repacked(content: bytes, name: str, new: bytes | None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as fresh:
        for entry in old.namelist():
            if entry != name:
                fresh.writestr(entry, old.read(entry))
            elif new is not None:
                fresh.writestr(entry, new)
    return out.getvalue()


@pytest.mark.parametrize("name", ["scorer.bin", "popularity.json", "labels.json", "manifest.json"])
@pytest.mark.parametrize("new", [None, b"", b"{}", b"[1]"])
def test_planted_an_exchanged_or_missing_file_is_refused(name: str, new: bytes | None) -> None:
    with pytest.raises(DataError):
        ModelBundle.from_bytes(repacked(make_bundle(1).to_bytes(), name, new))


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip", make_bundle(1).to_bytes()[:200]])
def test_planted_damaged_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(DataError):
        ModelBundle.from_bytes(content)


def test_planted_a_changed_byte_breaks_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    digest = make_bundle(1).write(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="checksum"):
        ModelBundle.read(path, expected_sha256=digest)
    with pytest.raises(DataError, match="cannot be read"):
        ModelBundle.read(tmp_path / "none.zip")


def test_popularity_moves_between_index_spaces() -> None:
    ids = product_ids(10)
    table = PopularityTable(np.array([[3, 1, 7], [9, 0, 2]]), np.array([[0.3, 0.2, 0.1]] * 2, dtype=np.float32))
    lists = PopularityLists.from_table(table, ids)
    same = PopularityLists.from_json(lists.to_json()).to_table(ids)
    assert np.array_equal(same.product_index, table.product_index)
    assert np.array_equal(same.score, table.score)
    smaller = lists.to_table(np.delete(ids, 1))  # product 1 is unknown there: both lists are cut to the same length
    assert np.array_equal(np.delete(ids, 1)[smaller.product_index], ids[[[3, 7], [9, 0]]])


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'{"product_id": [[1]], "score": [[1, 2]]}', b'{"product_id": 1, "score": 1}']
)
def test_planted_malformed_popularity_is_refused(text: bytes) -> None:
    with pytest.raises(DataError):
        PopularityLists.from_json(text)
