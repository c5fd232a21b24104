"""A small real ranker: LightGBM on noise, as the ONNX bundle that serving loads."""

from __future__ import annotations

from dataclasses import replace

import lightgbm as lgb
import numpy as np

from ml_modeling.core.bundle import ModelBundle, golden
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.onnx_export import to_onnx
from ml_modeling.core.ranker import ModelKind
from ml_modeling.core.scorer import Scorer
from tests.fakes.serving import make_bundle


def onnx_bundle(seed: int = 1, trees: int = 40) -> ModelBundle:
    rng = np.random.default_rng(seed)
    rows = rng.random((3000, len(FEATURE_NAMES)), dtype=np.float32) * 60
    label = rows[:, : 6 + seed] @ rng.normal(size=6 + seed) / 100
    parameters = {"num_leaves": 31, "verbose": -1, "seed": seed, "num_threads": 1, "deterministic": True}
    booster = lgb.train(parameters, lgb.Dataset(rows, label), num_boost_round=trees)
    content = to_onnx(ModelKind.LIGHTGBM, booster.model_to_string().encode())
    sample = rows[:32]
    scores = Scorer(content).score(sample)
    assert np.abs(scores - booster.predict(sample)).max() < 1e-6
    base = make_bundle(seed)
    manifest = base.manifest.model_copy(update={"scorer_format": "onnx", **golden(sample, scores)})
    return replace(base, manifest=manifest, scorer=content)
