from __future__ import annotations

from dataclasses import replace
from functools import cache

import lightgbm as lgb
import numpy as np
import pytest

from ml_modeling.core import ranker
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.metrics import ndcg_at
from ml_modeling.core.onnx_export import to_onnx
from ml_modeling.core.scorer import Scorer
from ml_modeling.core.training_set import TRUTH_GRADE, RankerRows
from shared_utils.errors import DataError

FITS = {ranker.ModelKind.LIGHTGBM: ranker.train_lightgbm, ranker.ModelKind.XGBOOST: ranker.train_xgboost}
KINDS = pytest.mark.parametrize("kind", list(FITS))
ROUNDS = 12


@cache
def rows(shuffled: bool = False) -> RankerRows:
    rng = np.random.default_rng(0)
    groups, size = 80, 25
    matrix = rng.normal(size=(groups * size, len(FEATURE_NAMES))).astype(np.float32)
    matrix[:, 1] = rng.integers(0, 20, len(matrix))
    label = (matrix[:, 0] + 0.1 * matrix[:, 1] + rng.normal(0, 0.5, len(matrix)) > 2.2).astype(np.int64)
    label[::size] = 1
    if shuffled:
        rng.shuffle(label)
    return RankerRows(matrix, label, np.full(groups, size), np.arange(groups))


@cache
def model(kind: ranker.ModelKind, shuffled: bool = False) -> bytes:
    return FITS[kind](rows(shuffled), ROUNDS)


@KINDS
def test_a_second_training_gives_the_same_bytes(kind: ranker.ModelKind) -> None:
    assert FITS[kind](rows(), ROUNDS) == model(kind)


@KINDS
def test_shuffled_labels_lower_ndcg(kind: ranker.ModelKind) -> None:
    real = rows()

    def ndcg(content: bytes) -> float:
        return ranker.grouped_ndcg(ranker.native_scores(kind, content, real.matrix), real.label, real.group_size)

    assert ndcg(model(kind, shuffled=True)) < 0.7 * ndcg(model(kind))


@KINDS
def test_the_served_score_equals_the_native_one(kind: ranker.ModelKind) -> None:
    matrix = rows().matrix
    native = ranker.native_scores(kind, model(kind), matrix)
    served = Scorer(to_onnx(kind, model(kind))).score(matrix)
    assert np.max(np.abs(served - native) / np.maximum(np.abs(native), 1.0)) <= 1e-6


@KINDS
def test_the_served_score_is_exact_on_the_thresholds(kind: ranker.ModelKind) -> None:
    """A value equal to a split threshold, or one float away, goes down the same branch as in the library."""
    matrix = np.zeros((60, len(FEATURE_NAMES)), dtype=np.float32)
    matrix[:, 1] = np.repeat(np.arange(20), 3) + 0.5
    matrix[1::3, 1] = np.nextafter(matrix[1::3, 1], np.float32(np.inf))
    matrix[2::3, 1] = np.nextafter(matrix[2::3, 1], np.float32(-np.inf))
    served = Scorer(to_onnx(kind, model(kind))).score(matrix)
    assert served == pytest.approx(ranker.native_scores(kind, model(kind), matrix), abs=1e-6)


def test_grouped_ndcg_equals_the_mean_of_ndcg() -> None:
    rng = np.random.default_rng(3)
    sizes = np.array([4, 12, 30])
    label, score = rng.integers(0, 2, sizes.sum()), rng.random(sizes.sum())
    parts = zip(np.split(label, np.cumsum(sizes)[:-1]), np.split(score, np.cumsum(sizes)[:-1]), strict=True)
    expected = [ndcg_at(np.argsort(-points), np.flatnonzero(mark), 10) for mark, points in parts]
    assert ranker.grouped_ndcg(score, label, sizes) == pytest.approx(np.mean(expected))


def test_households_stand_on_one_side_only() -> None:
    train, held = ranker.split_households(rows())
    assert not set(train.customer_index) & set(held.customer_index)
    assert len(train.matrix) + len(held.matrix) == len(rows().matrix)
    assert 0.4 < len(held.group_size) / len(rows().group_size) < 0.6


def measured(kind: ranker.ModelKind, ndcg: float, parity: float) -> ranker.TrainedRanker:
    return ranker.TrainedRanker(kind, b"", ndcg, parity)


def test_the_better_kind_wins_only_with_parity() -> None:
    lightgbm = measured(ranker.ModelKind.LIGHTGBM, 0.50, 2.4e-7)
    exact, inexact = (measured(ranker.ModelKind.XGBOOST, 0.52, parity) for parity in (1e-6, 4e-6))
    assert ranker.best_with_parity([lightgbm, exact]) is exact
    assert ranker.best_with_parity([lightgbm, inexact]) is lightgbm
    assert ranker.best_with_parity([lightgbm, measured(ranker.ModelKind.XGBOOST, 0.50, 0.0)]) is lightgbm


def test_planted_no_kind_with_parity_is_refused() -> None:
    with pytest.raises(DataError, match="xgboost 4e-06"):
        ranker.best_with_parity([measured(ranker.ModelKind.XGBOOST, 0.5, 4e-6)])


def test_parity_sees_a_difference() -> None:
    kind, matrix = ranker.ModelKind.LIGHTGBM, rows().matrix
    native = ranker.native_scores(kind, model(kind), matrix)
    assert ranker.scorer_parity(kind, model(kind), matrix, native) <= ranker.PARITY_TOLERANCE
    native[3] += 1e-4
    assert ranker.scorer_parity(kind, model(kind), matrix, native) == pytest.approx(1e-4, rel=0.01)


def test_a_mean_model_scores_the_mean_of_its_members() -> None:
    data = lgb.Dataset(rows().matrix, rows().label, group=rows().group_size, feature_name=list(FEATURE_NAMES))
    members = [lgb.train({**ranker.LIGHTGBM_PARAMETERS, "min_data_in_leaf": 20, "seed": s}, data, 9) for s in (1, 2, 3)]
    apart = [member.predict(rows().matrix, raw_score=True) for member in members]
    mean = ranker.native_scores(ranker.ModelKind.LIGHTGBM, ranker.mean_model(members), rows().matrix)
    assert not np.allclose(apart[0], apart[1])
    assert mean == pytest.approx(np.mean(apart, axis=0), abs=1e-12)


def test_training_keeps_a_kind_that_is_served_exactly_and_fits_it_on_all_households() -> None:
    graded = replace(rows(), label=rows().label * TRUTH_GRADE)
    kept = ranker.train_ranker(graded, rounds=ROUNDS)
    assert kept.kind is ranker.ModelKind.LIGHTGBM
    assert kept.content == ranker.train_lightgbm(graded, ROUNDS, ranker.MEMBERS)
    assert kept.parity <= ranker.PARITY_TOLERANCE
    assert kept.validation_ndcg > 0
