"""A trained ranker as ONNX: for the trainer, which has both libraries; the scorer that serves it needs neither."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
import onnx
import xgboost as xgb
from onnx import TensorProto, helper

from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.model_kind import ModelKind
from ml_modeling.core.scorer import INPUT_NAME, OUTPUT_NAME

LEAF, LESS, LESS_OR_EQUAL = "LEAF", "BRANCH_LT", "BRANCH_LEQ"


@dataclass(slots=True)
class _Ensemble:
    """Nodes of all trees as the parallel lists that the ONNX operator takes."""

    tree: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    mode: list[str] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    yes: list[int] = field(default_factory=list)
    no: list[int] = field(default_factory=list)
    leaf_tree: list[int] = field(default_factory=list)
    leaf_node: list[int] = field(default_factory=list)
    leaf_value: list[float] = field(default_factory=list)

    def add_split(self, tree: int, node: int, feature: int, mode: str, threshold: float, yes: int, no: int) -> None:
        for column, value in zip(
            (self.tree, self.node, self.feature, self.mode, self.threshold, self.yes, self.no),
            (tree, node, feature, mode, threshold, yes, no),
            strict=True,
        ):
            column.append(value)  # type: ignore[attr-defined]

    def add_leaf(self, tree: int, node: int, value: float) -> None:
        self.add_split(tree, node, 0, LEAF, 0.0, 0, 0)
        self.leaf_tree.append(tree)
        self.leaf_node.append(node)
        self.leaf_value.append(value)


def _lightgbm_ensemble(content: bytes) -> _Ensemble:
    ensemble = _Ensemble()
    for tree, info in enumerate(lgb.Booster(model_str=content.decode()).dump_model()["tree_info"]):
        numbers: Iterator[int] = iter(range(1, 1_000_000))
        pending: list[tuple[int, dict[str, Any]]] = [(0, info["tree_structure"])]
        while pending:
            node, shape = pending.pop()
            if "leaf_value" in shape:
                ensemble.add_leaf(tree, node, float(shape["leaf_value"]))
                continue
            yes, no = next(numbers), next(numbers)
            ensemble.add_split(
                tree, node, int(shape["split_feature"]), LESS_OR_EQUAL, float(shape["threshold"]), yes, no
            )
            pending += [(yes, shape["left_child"]), (no, shape["right_child"])]
    return ensemble


def _xgboost_ensemble(content: bytes) -> tuple[_Ensemble, float]:
    booster = xgb.Booster(model_file=bytearray(content))
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    ensemble = _Ensemble()
    for tree, shape in enumerate(learner["gradient_booster"]["model"]["trees"]):
        for node, yes in enumerate(shape["left_children"]):
            value = float(np.float32(shape["split_conditions"][node]))
            if yes < 0:
                ensemble.add_leaf(tree, node, value)
            else:
                feature, no = int(shape["split_indices"][node]), int(shape["right_children"][node])
                ensemble.add_split(tree, node, feature, LESS, value, int(yes), no)
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    return ensemble, base


def to_onnx(kind: ModelKind, content: bytes) -> bytes:
    """ONNX bytes of a trained model: one `TreeEnsembleRegressor` on doubles.

    Doubles make thresholds and sums those of LightGBM itself, so no threshold has to be moved; only the result is
    rounded to float32. Features must be finite, as `ranker_matrix` gives them: missing-value branches are left out.
    """
    ensemble, base = (_lightgbm_ensemble(content), 0.0) if kind is ModelKind.LIGHTGBM else _xgboost_ensemble(content)

    def doubles(name: str, values: list[float]) -> TensorProto:
        return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)

    operator = helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT_NAME],
        [OUTPUT_NAME],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=ensemble.tree,
        nodes_nodeids=ensemble.node,
        nodes_featureids=ensemble.feature,
        nodes_modes=ensemble.mode,
        nodes_values_as_tensor=doubles("nodes_values", ensemble.threshold),
        nodes_truenodeids=ensemble.yes,
        nodes_falsenodeids=ensemble.no,
        target_treeids=ensemble.leaf_tree,
        target_nodeids=ensemble.leaf_node,
        target_ids=[0] * len(ensemble.leaf_tree),
        target_weights_as_tensor=doubles("target_weights", ensemble.leaf_value),
        base_values_as_tensor=doubles("base_values", [base]),
    )
    graph = helper.make_graph(
        [operator],
        "ranker",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.DOUBLE, [None, len(FEATURE_NAMES)])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 17)]
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())
