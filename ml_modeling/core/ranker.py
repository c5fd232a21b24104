"""Train the two rankers and keep the better one among those whose scorer parity holds.

LightGBM `lambdarank` and XGBoost `rank:ndcg` see the same rows: half of the households. Each is measured on the other
half, which costs less than a fit on most of them and judges on more: its NDCG@10, and on `PARITY_ROWS` of those rows
the largest absolute difference between its own raw scores and those of the served ONNX scorer. A kind that differs by
more than `PARITY_TOLERANCE` is dropped; of the rest the higher NDCG@10 wins and is fitted again on all households,
LightGBM as the mean of `MEMBERS` models that differ in their seed alone: a seed's luck is worth 0.2 points of NDCG@10.
XGBoost sums its trees in float32, so at the usual size of raw scores (about 4) it differs by some 2e-6 and is dropped;
the rule is measured, not assumed.
Both libraries are deterministic: the same arrays give the same model bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import xgboost as xgb

from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.model_kind import ModelKind as ModelKind
from ml_modeling.core.onnx_export import to_onnx
from ml_modeling.core.scorer import Scorer
from ml_modeling.core.states import Float32Array, FloatArray, IntArray
from ml_modeling.core.training_set import TRUTH_GRADE, RankerRows
from shared_utils.errors import DataError

THREADS = 2
SEED = 7
PARITY_TOLERANCE = 1e-6
"""Largest absolute difference allowed between a library's raw score and the served one."""
PARITY_ROWS = 20_000
"""A scorer that rounds otherwise does so at every tree, so a difference does not hide in rare rows."""


LIGHTGBM_PARAMETERS: Mapping[str, object] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 30,
    "label_gain": list(range(16)),
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 250,
    "max_bin": 63,
    "lambda_l2": 5.0,
    "feature_fraction_bynode": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": THREADS,
    "seed": SEED,
    "verbose": -1,
}
XGBOOST_PARAMETERS: Mapping[str, object] = {
    "objective": "rank:ndcg",
    "lambdarank_pair_method": "topk",
    "lambdarank_num_pair_per_sample": 16,
    "ndcg_exp_gain": False,
    "eta": 0.1,
    "max_depth": 5,
    "min_child_weight": 5,
    "max_bin": 64,
    "reg_lambda": 5.0,
    "subsample": 0.8,
    "colsample_bytree": 0.3,
    "tree_method": "hist",
    "nthread": THREADS,
    "seed": SEED,
    "verbosity": 0,
}
ROUNDS = 100
MEMBERS = 3


@dataclass(frozen=True, slots=True)
class TrainedRanker:
    """A model as its library's own bytes (LightGBM text, XGBoost UBJSON), measured on held-out households.

    `parity` is the largest absolute difference between native and served raw scores on the same rows.
    """

    kind: ModelKind
    content: bytes
    validation_ndcg: float
    parity: float

    @property
    def sha256(self) -> str:
        """Hash of the model bytes; equal for equal training arrays."""
        return hashlib.sha256(self.content).hexdigest()


def grouped_ndcg(score: FloatArray, label: IntArray, group_size: IntArray, k: int = 10) -> float:
    """Mean NDCG@k over groups of rows; the ideal counts the group's own positive rows."""
    group = np.repeat(np.arange(len(group_size)), group_size)
    start = np.concatenate(([0], np.cumsum(group_size)[:-1]))
    discount = 1.0 / np.log2(np.arange(2, k + 2))

    def gain(order: IntArray) -> FloatArray:
        place = np.arange(len(order)) - start[group]
        top = place < k
        return np.bincount(
            group[top], weights=label[order][top] * discount[place[top]], minlength=len(group_size)
        ).astype(np.float64)

    ideal = gain(np.lexsort((-label, group)))
    found = gain(np.lexsort((-score, group)))
    return float(np.mean(found[ideal > 0] / ideal[ideal > 0])) if np.any(ideal > 0) else 0.0


def split_households(rows: RankerRows, share: float = 0.5) -> tuple[RankerRows, RankerRows]:
    """Training and validation rows, parted by household so that nobody is on both sides.

    The household's side depends on its index alone, so it stays the same between runs.
    """
    mixed = (rows.customer_index.astype(np.uint64) * np.uint64(2654435761)) % np.uint64(2**32)
    held = mixed < np.uint64(int(share * 2**32))
    return _groups_where(rows, ~held), _groups_where(rows, held)


def _groups_where(rows: RankerRows, keep: npt.NDArray[np.bool_]) -> RankerRows:
    wide = np.repeat(keep, rows.group_size)
    return RankerRows(rows.matrix[wide], rows.label[wide], rows.group_size[keep], rows.customer_index[keep])


def train_lightgbm(rows: RankerRows, rounds: int = ROUNDS, members: int = 1) -> bytes:
    """LightGBM lambdarank model text: the mean of `members` models of consecutive seeds."""
    data = lgb.Dataset(rows.matrix, rows.label, group=rows.group_size, feature_name=list(FEATURE_NAMES))
    return mean_model(
        [
            lgb.train({**LIGHTGBM_PARAMETERS, "seed": SEED + member}, data, num_boost_round=rounds)
            for member in range(members)
        ]
    )


def mean_model(members: Sequence[lgb.Booster]) -> bytes:
    """One model text whose raw score is the mean of the members' raw scores.

    Boosted trees add up, so the mean is all trees in one model with their leaves divided. LightGBM merges models in its
    C interface only, so the texts are joined: the first one's header, every tree renumbered. `tree_sizes` is left out;
    the reader then goes by the `Tree=` lines.
    """
    header, trees = "", []
    for member in members:
        text = member.model_to_string().partition("end of trees")[0]
        head, *own = re.split(r"^Tree=\d+\n", text, flags=re.MULTILINE)
        header = header or re.sub(r"^tree_sizes=.*\n", "", head, flags=re.MULTILINE)
        trees += own
    numbered = (f"Tree={number}\n{tree}" for number, tree in enumerate(trees))
    joined = lgb.Booster(model_str=f"{header}{''.join(numbered)}end of trees\n")
    if len(members) > 1:
        for tree in joined.dump_model()["tree_info"]:
            for leaf in range(tree["num_leaves"]):
                value = joined.get_leaf_output(tree["tree_index"], leaf)
                joined.set_leaf_output(tree["tree_index"], leaf, value / len(members))
    return joined.model_to_string().encode()


def train_xgboost(rows: RankerRows, rounds: int = ROUNDS) -> bytes:
    """XGBoost rank:ndcg model as UBJSON."""
    data = xgb.DMatrix(rows.matrix, rows.label, feature_names=list(FEATURE_NAMES), nthread=THREADS)
    data.set_group(rows.group_size)
    booster = xgb.train(dict(XGBOOST_PARAMETERS), data, num_boost_round=rounds)
    return bytes(booster.save_raw("ubj"))


def native_scores(kind: ModelKind, content: bytes, matrix: Float32Array) -> FloatArray:
    """Raw margins of the library itself: the reference for the serving scorer. Shape: `(rows,)`."""
    if kind is ModelKind.LIGHTGBM:
        booster = lgb.Booster(model_str=content.decode())
        return np.asarray(booster.predict(matrix, raw_score=True), dtype=np.float64)
    model = xgb.Booster(model_file=bytearray(content))
    return np.asarray(model.inplace_predict(matrix, predict_type="margin"), dtype=np.float64)


def scorer_parity(kind: ModelKind, content: bytes, matrix: Float32Array, native: FloatArray) -> float:
    """Largest absolute difference of the served ONNX scorer from `native`, the library's raw scores of `matrix`."""
    served = Scorer(to_onnx(kind, content)).score(matrix)
    return float(np.abs(served - native).max(initial=0.0))


def best_with_parity(trained: Sequence[TrainedRanker]) -> TrainedRanker:
    """The highest validation NDCG@10 among the rankers that the scorer serves exactly; the first one on a tie.

    Raises:
        DataError: no ranker has parity.
    """
    exact = [ranker for ranker in trained if ranker.parity <= PARITY_TOLERANCE]
    if not exact:
        measured = ", ".join(f"{ranker.kind.value} {ranker.parity:.2g}" for ranker in trained)
        raise DataError(
            f"No ranker is served within {PARITY_TOLERANCE:g} of its library ({measured}).",
            "Lower the rounds or the learning rate, so that raw scores stay small.",
        )
    return max(exact, key=lambda ranker: ranker.validation_ndcg)


def train_ranker(rows: RankerRows, *, rounds: int = ROUNDS) -> TrainedRanker:
    """The better of the two libraries on held-out households, among those whose scorer parity holds there.

    The winner is fitted again on all rows, since held-out households are labels too, LightGBM with all its members; its
    `validation_ndcg` stays that of one fit without them, its `parity` is its own.

    Raises:
        DataError: neither library's model is served exactly, or the last fit is not.
    """
    fits = {ModelKind.LIGHTGBM: train_lightgbm, ModelKind.XGBOOST: train_xgboost}
    train, held = split_households(rows)
    probe = held.matrix[:: max(len(held.matrix) // PARITY_ROWS, 1)]
    in_truth = (held.label >= TRUTH_GRADE).astype(np.int64)
    trained = []
    for kind, fit in fits.items():
        content = fit(train, rounds)
        ndcg = grouped_ndcg(native_scores(kind, content, held.matrix), in_truth, held.group_size)
        parity = scorer_parity(kind, content, probe, native_scores(kind, content, probe))
        trained.append(TrainedRanker(kind, content, ndcg, parity))
    best = best_with_parity(trained)
    content = train_lightgbm(rows, rounds, MEMBERS) if best.kind is ModelKind.LIGHTGBM else train_xgboost(rows, rounds)
    parity = scorer_parity(best.kind, content, probe, native_scores(best.kind, content, probe))
    return best_with_parity([replace(best, content=content, parity=parity)])


def feature_gains(ranker: TrainedRanker) -> list[float]:
    """Total split gain of each feature, in `FEATURE_NAMES` order; the unit is the library's own."""
    if ranker.kind is ModelKind.LIGHTGBM:
        return list(lgb.Booster(model_str=ranker.content.decode()).feature_importance("gain"))
    gains = xgb.Booster(model_file=bytearray(ranker.content)).get_score(importance_type="total_gain")
    return [float(np.sum(gains.get(name, 0.0))) for name in FEATURE_NAMES]
