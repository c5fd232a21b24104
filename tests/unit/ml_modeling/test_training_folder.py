from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ml_modeling.core.gate import GateDecision
from ml_modeling.core.metrics import RatioInterval
from ml_modeling.core.training_set import RankerRows
from ml_modeling.registry.register_with_mlflow import Registered, TrainingRecord
from ml_modeling.training_scripts.training_folder import TrainingFolder
from shared_utils.errors import DataError
from shared_utils.settings import Settings

ROWS = RankerRows(np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1, 0, 0]), np.array([2, 1]), np.array([4, 5]))
RATIO = RatioInterval(1.2, 1.1, 1.3)


def folder(tmp_path: Path) -> TrainingFolder:
    return TrainingFolder.of(Settings(env="test", run_dir=tmp_path), date(2026, 9, 7))


def record(at: TrainingFolder) -> TrainingRecord:
    plots = [at.path / "methods.png"]
    return TrainingRecord({"kind": "lightgbm"}, {"ndcg": 0.25}, {"data.x": "3"}, plots, at.path / "bundle.zip", "abc")


def test_rows_come_back_bit_for_bit_with_their_versions(tmp_path: Path) -> None:
    folder(tmp_path).write_training_set(ROWS, {"customer_features": 3})

    rows, versions = folder(tmp_path).read_training_set()

    assert versions == {"customer_features": 3}
    for name in RankerRows.__slots__:
        ours, theirs = getattr(rows, name), getattr(ROWS, name)
        assert (ours.dtype, ours.tobytes()) == (theirs.dtype, theirs.tobytes())


def test_a_training_comes_back_as_it_was(tmp_path: Path) -> None:
    at = folder(tmp_path)
    at.write_training_set(ROWS, {})
    at.write_training(record(at), {"ndcg": RATIO})

    assert folder(tmp_path).read_training() == (record(at), {"ndcg": RATIO})


def test_a_judgement_counts_for_the_bundle_that_it_judged_alone(tmp_path: Path) -> None:
    at = folder(tmp_path)
    at.write_training_set(ROWS, {})
    decision = GateDecision(False, ("too low",))
    at.write_gate(decision, "abc")

    assert at.read_gate("abc") == decision
    with pytest.raises(DataError, match="of another bundle"):
        at.read_gate("abd")


def test_a_step_that_did_not_run_is_named(tmp_path: Path) -> None:
    at = folder(tmp_path)
    with pytest.raises(DataError, match=r"training_set\.json does not exist"):
        at.read_training_set()
    at.write_training_set(ROWS, {})
    with pytest.raises(DataError, match=r"training\.json does not exist"):
        at.read_training()
    at.write_registered(Registered("recommender", "1", "r", champion=False))
    assert (at.path / "registered.json").exists()
