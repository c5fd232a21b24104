"""F18 and F19: a registry that is gone or a champion that is broken never reaches a customer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_modeling.core.bundle import ModelBundle
from ml_modeling.core.features import FEATURE_NAMES
from model_serving.core.shelf import LiveShelf
from model_serving.fastapi_server.model_loader import ModelLoader
from model_serving.metrics import ServingMetrics
from shared_utils.errors import DataError, DependencyError
from tests.fakes.serving import MODEL_NAME, FakeRegistry, LinearScorer, load_linear, make_bundle


class Rig:
    """A loader with its world; `restart` is a new process on the same cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = FakeRegistry(folder)
        self.restart()

    def restart(self, load_scorer: Callable[[ModelBundle], Any] = load_linear) -> None:
        self.live, self.metrics = LiveShelf(), ServingMetrics()
        cache = self.folder / "cache"
        self.loader = ModelLoader(MODEL_NAME, self.registry, cache, load_scorer, self.live, self.metrics)

    @property
    def version(self) -> str | None:
        shelf = self.live.current
        return None if shelf is None else shelf.model.ref.version


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_the_alias_is_followed_and_fetched_once(rig: Rig) -> None:
    rig.registry.register(make_bundle(1))
    rig.loader.refresh()
    rig.loader.refresh()
    assert (rig.version, rig.registry.fetches) == ("1", 1)
    rig.registry.register(make_bundle(2))
    rig.loader.refresh()
    assert (rig.version, rig.metrics.value("serving_model_swaps_total")) == ("2", 2)
    rig.registry.alias = "1"  # rollback by alias, from the cache
    rig.loader.refresh()
    assert (rig.version, rig.registry.fetches) == ("1", 2)
    assert rig.metrics.value("serving_model_info", name=MODEL_NAME, version="1") == 1
    assert rig.metrics.value("serving_model_info", name=MODEL_NAME, version="2") == 0


def test_a_dead_registry_does_not_stop_a_start(rig: Rig) -> None:
    rig.registry.register(make_bundle(1))
    rig.loader.refresh()
    rows = np.random.default_rng(3).random((20, len(FEATURE_NAMES)), dtype=np.float32)
    shelf = rig.live.current
    assert shelf is not None
    before = shelf.model.scorer.score(rows)
    rig.registry.down = True
    rig.restart()
    with pytest.raises(DependencyError):
        rig.loader.refresh()
    after = rig.live.current
    assert after is not None
    assert np.array_equal(before, after.model.scorer.score(rows))
    assert rig.metrics.value("serving_model_stale") == 1
    rig.registry.down = False
    rig.loader.refresh()
    assert (rig.metrics.value("serving_model_stale"), rig.version) == (0, "1")


def test_a_registry_that_dies_at_run_time_changes_nothing(rig: Rig) -> None:
    rig.registry.register(make_bundle(1))
    rig.loader.refresh()
    rig.registry.down = True
    with pytest.raises(DependencyError):
        rig.loader.refresh()
    assert (rig.version, rig.metrics.value("serving_model_stale")) == ("1", 1)


class SlowScorer(LinearScorer):
    def score(self, matrix: Any) -> Any:
        time.sleep(0.05)
        return super().score(matrix)


NAN_ROWS = (tuple(0.0 for _ in FEATURE_NAMES),)
PLANTED: dict[str, ModelBundle] = {
    "other feature names": make_bundle(2, feature_names=(*FEATURE_NAMES[:-1], "basket_colour")),
    "features in another order": make_bundle(2, feature_names=(*FEATURE_NAMES[1:], FEATURE_NAMES[0])),
    "golden scores of another model": make_bundle(2, golden_scores=make_bundle(3).manifest.golden_scores),
    "golden scores off by 1e-3": make_bundle(2, golden_rows=NAN_ROWS, golden_scores=(1e-3,)),
    "golden rows of another width": make_bundle(2, golden_rows=((1.0, 2.0),), golden_scores=(1.0,)),
    "scorer gives NaN": replace(make_bundle(2), scorer=b"[" + b",".join([b"NaN"] * len(FEATURE_NAMES)) + b"]"),
    "scorer of too few weights": replace(make_bundle(2), scorer=b"[1.0, 2.0]"),
    "scorer is a pickle": replace(make_bundle(2), scorer=b"cos\nsystem\n(S'touch /tmp/owned'\ntR."),
}


def guarded(bundle: ModelBundle) -> Any:
    scorer = load_linear(bundle)
    if scorer.weights.shape != (len(FEATURE_NAMES),):
        raise DataError("wrong shape", "x")
    return scorer


@pytest.mark.parametrize("planted", PLANTED)
def test_planted_a_broken_champion_is_refused_and_the_old_one_stays(rig: Rig, planted: str) -> None:
    rig.restart(guarded)
    rig.registry.register(make_bundle(1))
    rig.loader.refresh()
    rig.registry.register(PLANTED[planted])
    with pytest.raises(DataError, match="Version 2"):
        rig.loader.refresh()
    rig.loader.refresh()  # told once; not tried again until the alias moves
    assert (rig.version, rig.metrics.value("serving_model_refused_total")) == ("1", 1)
    rig.registry.register(make_bundle(4))
    rig.loader.refresh()
    assert rig.version == "3"


def test_planted_a_slow_champion_is_refused(rig: Rig) -> None:
    rig.registry.register(make_bundle(1))
    rig.loader.refresh()
    old = rig.live.current
    rig.restart(lambda bundle: SlowScorer(load_linear(bundle).weights))
    if old is not None:
        rig.live.set_model(old.model)
    with pytest.raises(DataError, match="ms for 150 rows"):
        rig.loader.refresh()
    assert rig.version == "1"


@pytest.mark.parametrize("checksum", ["0" * 64, "", "../../etc/passwd", "x" * 63])
def test_planted_a_wrong_checksum_is_refused_and_nothing_is_cached(rig: Rig, checksum: str) -> None:
    rig.registry.register(make_bundle(1), checksum=checksum or "-")
    with pytest.raises(DataError):
        rig.loader.refresh()
    assert rig.version is None
    assert list(rig.folder.rglob("cache/*.zip")) == []


def test_a_damaged_cache_file_is_fetched_again(rig: Rig) -> None:
    rig.registry.register(make_bundle(1))
    rig.loader.refresh()
    cached = next((rig.folder / "cache").glob("*.zip"))
    cached.write_bytes(cached.read_bytes()[:-10])
    rig.restart()
    rig.loader.refresh()
    assert (rig.version, rig.registry.fetches) == ("1", 2)


def test_a_restart_on_a_broken_champion_serves_the_last_good_one(rig: Rig) -> None:
    rig.registry.register(make_bundle(1))
    rig.loader.refresh()
    rig.registry.register(PLANTED["golden scores of another model"])
    rig.restart()
    with pytest.raises(DataError):
        rig.loader.refresh()
    assert rig.version == "1"


def test_no_alias_no_model(rig: Rig) -> None:
    rig.loader.refresh()
    assert rig.version is None
    assert math.isfinite(rig.metrics.value("serving_model_stale"))
