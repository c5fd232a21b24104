"""A fitted ranker survives the way from one process to the next, and says so when it did not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ml_modeling.core.candidate import Candidate
from ml_modeling.core.model_kind import ModelKind
from ml_modeling.core.ranker import TrainedRanker
from shared_utils.errors import DataError


def _candidate() -> Candidate:
    ranker = TrainedRanker(ModelKind.LIGHTGBM, b"tree\nTree=0\n\x00", 0.125, 3e-8)
    rows = np.array([[1.5, -2.0], [0.1, 7.0]], dtype=np.float32)
    return Candidate(date(2026, 9, 21), ranker, rows, {"gold.customer": 4}, {"trained": 1.5})


def test_a_candidate_comes_back_as_it_was(tmp_path: Path) -> None:
    sent = _candidate()
    sent.write(tmp_path / "training" / "candidate.npz")
    got = Candidate.read(tmp_path / "training" / "candidate.npz")
    assert (got.cutoff, got.ranker, got.data_versions, got.seconds) == (
        sent.cutoff, sent.ranker, sent.data_versions, sent.seconds,
    )  # fmt: skip
    assert got.golden_rows.dtype == np.float32
    np.testing.assert_array_equal(got.golden_rows, sent.golden_rows)
    assert [path.name for path in (tmp_path / "training").iterdir()] == ["candidate.npz"]


def test_a_missing_or_damaged_candidate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "candidate.npz"
    with pytest.raises(DataError, match=r"candidate\.npz"):
        Candidate.read(path)
    _candidate().write(path)
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"no whole candidate"):
            Candidate.read(path)
