"""The champion, from the registry into the live shelf: fetched once, verified, cached by checksum, swapped whole.

A champion that cannot be trusted (wrong checksum, wrong features, wrong golden scores, too slow) is refused and the
model before it stays. Without a registry the last good one is loaded from the cache, also on a cold start.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from ml_modeling.core.bundle import CHECKSUM_TAG, ModelBundle
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.live import LIVE_FEATURE_NAMES
from model_serving.core.ranking import ModelRef
from model_serving.core.reasons import sensitivity
from model_serving.core.shelf import LiveShelf, Model
from model_serving.metrics import ServingMetrics
from model_serving.ports import ModelRegistry, RegisteredVersion, Scorer
from shared_utils.errors import DataError, DependencyError

log = structlog.get_logger(__name__)

ALIAS = "champion"
MODEL_BUDGET_SECONDS = 0.040
_BUDGET_ROWS = 150
_LAST_GOOD = "last_good.json"
ScorerLoader = Callable[[ModelBundle], Scorer]


@dataclass(frozen=True, slots=True)
class _Known:
    """A champion by what identifies it: the same version with other bytes is another one."""

    name: str
    version: str
    checksum: str


class ModelLoader:
    """Follows one alias. Use it from one thread at a time."""

    def __init__(
        self,
        name: str,
        registry: ModelRegistry,
        cache_dir: Path,
        load_scorer: ScorerLoader,
        live: LiveShelf,
        metrics: ServingMetrics,
        alias: str = ALIAS,
    ) -> None:
        self._name = name
        self._alias = alias
        self._registry = registry
        self._cache = cache_dir
        self._load_scorer = load_scorer
        self._live = live
        self._metrics = metrics
        self._serving: _Known | None = None
        self._refused: _Known | None = None

    def refresh(self) -> None:
        """Bring the alias's version live unless it is live already, or was refused before.

        Raises:
            DependencyError: the registry does not answer; a cached model serves (`serving_model_stale` is 1).
            DataError: the champion was refused (once for each); the one before serves on.
        """
        try:
            found = self._registry.resolve(self._name, self._alias)
            known = None if found is None else _Known(found.name, found.version, found.tags.get(CHECKSUM_TAG, ""))
            if found is not None and known is not None and known not in (self._serving, self._refused):
                self._bring_live(known, found)
        except DependencyError:
            self._metrics.model_stale.set(1)
            self._start_from_cache()
            raise
        self._metrics.model_stale.set(0)

    def _bring_live(self, known: _Known, found: RegisteredVersion) -> None:
        try:
            self._serve(known, self._cached_file(known, found))
        except DataError as exc:
            self._refused = known
            self._metrics.model_refused.inc()
            self._start_from_cache()
            raise DataError(f"Version {known.version} of {known.name} is refused: {exc.message}", exc.remedy) from exc
        self._refused = None
        _write_whole(
            self._cache / _LAST_GOOD, json.dumps({"version": known.version, "sha256": known.checksum}).encode()
        )

    def _start_from_cache(self) -> None:
        if self._serving is not None:
            return
        try:
            raw = json.loads((self._cache / _LAST_GOOD).read_bytes())
            known = _Known(self._name, str(raw["version"]), str(raw["sha256"]))
            self._serve(known, self._cache / f"{known.checksum}.zip")
        except (OSError, ValueError, KeyError, TypeError, DataError) as exc:
            log.warning("model_cache_unusable", name=self._name, error=str(exc))

    def _cached_file(self, known: _Known, found: RegisteredVersion) -> Path:
        if len(known.checksum) != 64 or not known.checksum.isalnum():
            raise DataError(f"The version has no tag {CHECKSUM_TAG}.", "Register it with the checksum of its bundle.")
        path = self._cache / f"{known.checksum}.zip"
        if path.exists() and _is_intact(path, known.checksum):
            return path
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache) as folder:
            fresh = Path(folder) / path.name
            self._registry.fetch(found, fresh)
            ModelBundle.read(fresh, expected_sha256=known.checksum)
            fresh.replace(path)
        return path

    def _serve(self, known: _Known, path: Path) -> None:
        bundle = ModelBundle.read(path, expected_sha256=known.checksum)
        model = load_model(bundle, known.version, known.checksum, self._load_scorer)
        self._live.set_model(model)
        self._serving = known
        self._metrics.model_swaps.inc()
        self._metrics.show_model(known.name, known.version)
        log.info("model_live", name=known.name, version=known.version, sha256=known.checksum)


def load_model(bundle: ModelBundle, version: str, checksum: str, load_scorer: ScorerLoader) -> Model:
    """A verified model. Raises DataError: it is not the model that was trained, or it is too slow to serve."""
    scorer = load_scorer(bundle)
    bundle.check(scorer.score, FEATURE_NAMES)
    rows = np.array(bundle.manifest.golden_rows, dtype=np.float32)
    _check_speed(scorer, rows)
    slope = sensitivity(scorer, rows)
    ref = ModelRef(bundle.manifest.name, version, bundle.manifest.feature_set)
    live_weights = bundle.check_live(LIVE_FEATURE_NAMES)
    return Model(
        ref, checksum, bundle.manifest.feature_names, scorer, slope, bundle.popularity, bundle.labels, live_weights
    )


def _check_speed(scorer: Scorer, rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    # The best of five: a busy machine may slow some tries, a slow model slows all.
    matrix = np.resize(rows, (_BUDGET_ROWS, rows.shape[1]))
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        scorer.score(matrix)
        seconds.append(time.perf_counter() - started)
    if min(seconds) > MODEL_BUDGET_SECONDS:
        raise DataError(f"The model takes {min(seconds) * 1e3:.0f} ms for {_BUDGET_ROWS} rows.", "Train a smaller one.")


def _is_intact(path: Path, checksum: str) -> bool:
    try:
        ModelBundle.read(path, expected_sha256=checksum)
    except DataError:
        return False
    return True


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".tmp")
    partial.write_bytes(content)
    partial.replace(path)
