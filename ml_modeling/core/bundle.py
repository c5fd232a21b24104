"""The served artefact of a recommender: one zip whose SHA-256 is its name everywhere.

Holds `manifest.json` (what it is, and rows with the scores it must give), the scorer in `ml_modeling.core.scorer`'s
format, the best sellers of each segment, and optionally product labels. Equal contents give equal bytes, so a second
training on the same data has the same checksum. No pickle: a planted file can lie, it cannot run.
The version is the registry's to give, after the bundle was written; a bundle does not know its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_modeling.core.candidates import PopularityTable
from ml_modeling.core.states import Float32Array, FloatArray, IntArray
from shared_utils.errors import DataError

BUNDLE_FILE = "bundle.zip"
CHECKSUM_TAG = "artifact_sha256"
GOLDEN_TOLERANCE = 1e-5
"""Relative to the largest golden score. It tells a broken file from a whole one; that the scorer equals the native
model is proven at training. XGBoost itself sums float32, which leaves 3e-6 between it and any exact scorer."""
MAX_BYTES = 256 * 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MANIFEST, _SCORER, _POPULARITY, _LABELS = "manifest.json", "scorer.bin", "popularity.json", "labels.json"
REMEDY = "Train and register again; the version that was live stays."


class Manifest(BaseModel):
    """What a bundle says about itself.

    `golden_scores[i]` is the score of `golden_rows[i]` by the native model or by the scorer proven equal to it. Take
    some 32 rows of the training matrix: serving also learns from them which features move the score. `live_weights`
    are the second stage's (`ml_modeling.core.live`), one a name; empty when the shelf does not react to clicks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["shop-ranker-bundle/1"] = "shop-ranker-bundle/1"
    name: str
    feature_set: str
    feature_names: tuple[str, ...] = Field(min_length=1)
    scorer_format: str
    trained_at: datetime
    data_versions: Mapping[str, int]
    golden_rows: tuple[tuple[float, ...], ...] = Field(min_length=1)
    golden_scores: tuple[float, ...] = Field(min_length=1)
    live_feature_names: tuple[str, ...] = ()
    live_weights: tuple[float, ...] = ()
    files: Mapping[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PopularityLists:
    """Best sellers of each segment by product id, best first. Shape: `(segments, n)`; score = share of baskets.

    The id form of `PopularityTable`: it outlives the index space of one product table. Also the value of the online
    store's key `shop:popularity`, which wins over the bundle's when it is there.
    """

    product_id: IntArray
    score: Float32Array

    @classmethod
    def from_table(cls, table: PopularityTable, product_id: IntArray) -> Self:
        """The lists of an index-based table; `product_id` are the ids behind its indices."""
        return cls(product_id[table.product_index], table.score)

    def to_table(self, product_id: IntArray) -> PopularityTable:
        """The lists as positions in `product_id` (ascending), cut to the longest prefix that every segment can fill."""
        place = np.minimum(np.searchsorted(product_id, self.product_id), max(len(product_id) - 1, 0))
        known = product_id[place] == self.product_id if len(product_id) else np.zeros(place.shape, dtype=bool)
        length = int(known.sum(axis=1).min(initial=place.shape[1]))
        keep = [np.flatnonzero(row)[:length] for row in known]
        index = np.stack([row[kept] for row, kept in zip(place, keep, strict=True)])
        return PopularityTable(index, np.stack([row[kept] for row, kept in zip(self.score, keep, strict=True)]))

    def to_json(self) -> bytes:
        """Canonical JSON: equal lists, equal bytes."""
        return _json({"product_id": self.product_id.tolist(), "score": self.score.astype(float).tolist()})

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """The lists of `to_json`. Raises DataError: not two equal-shaped tables of numbers."""
        try:
            raw = json.loads(text)
            ids, score = np.array(raw["product_id"], dtype=np.int64), np.array(raw["score"], dtype=np.float32)
        except (ValueError, KeyError, TypeError, OverflowError) as exc:
            raise DataError(f"The best-seller lists are malformed ({exc!r}).", REMEDY) from exc
        if ids.ndim != 2 or ids.shape != score.shape or not np.isfinite(score).all():
            raise DataError("The best-seller lists are not one score per product and segment.", REMEDY)
        return cls(ids, score)


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """Everything a server needs of one model. `labels`: product id to (name, category), where known."""

    manifest: Manifest
    scorer: bytes
    popularity: PopularityLists
    labels: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    def write(self, path: Path) -> str:
        """Write the zip (parents are made) and return its SHA-256, the value of the tag `artifact_sha256`."""
        content = self.to_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def to_bytes(self) -> bytes:
        """The zip: sorted names, no clock, so that equal contents are equal bytes."""
        labels = {str(product): list(text) for product, text in self.labels.items()}
        files = {_SCORER: self.scorer, _POPULARITY: self.popularity.to_json(), _LABELS: _json(labels)}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        files[_MANIFEST] = _json(self.manifest.model_copy(update={"files": digests}).model_dump(mode="json"))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(files):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    @classmethod
    def read(cls, path: Path, *, expected_sha256: str | None = None) -> Self:
        """The bundle of a file.

        Raises:
            DataError: the file is missing, too large, not the expected one, or not a bundle.
        """
        try:
            if path.stat().st_size > MAX_BYTES:
                raise DataError(f"The model bundle {path.name} is larger than {MAX_BYTES} bytes.", REMEDY)
            content = path.read_bytes()
        except OSError as exc:
            raise DataError(f"The model bundle {path} cannot be read ({exc.strerror}).", REMEDY) from exc
        check_sha256(content, expected_sha256)
        return cls.from_bytes(content)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The bundle of a zip's bytes. Raises DataError: damaged, incomplete or of another format."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                    raise DataError("The model bundle unpacks to too many bytes.", REMEDY)
                files = {name: archive.read(name) for name in (_MANIFEST, _SCORER, _POPULARITY, _LABELS)}
            manifest = Manifest.model_validate_json(files[_MANIFEST])
            labels = {int(product): (str(t[0]), str(t[1])) for product, t in json.loads(files[_LABELS]).items()}
        except (
            zipfile.BadZipFile,
            KeyError,
            ValidationError,
            ValueError,
            TypeError,
            IndexError,
            AttributeError,
        ) as exc:
            raise DataError(f"The model bundle is damaged ({str(exc)[:200]}).", REMEDY) from exc
        for name, digest in manifest.files.items():
            check_sha256(files.get(name, b""), digest)
        return cls(manifest, files[_SCORER], PopularityLists.from_json(files[_POPULARITY]), labels)

    def check(self, score: Callable[[Float32Array], FloatArray], feature_names: tuple[str, ...]) -> None:
        """Refuse a bundle whose scorer is not the model that was trained.

        Raises:
            DataError: other feature names than the server computes, a score that is not finite, or golden scores that
                differ by more than 1e-5.
        """
        if self.manifest.feature_names != feature_names:
            odd = sorted(set(self.manifest.feature_names) ^ set(feature_names))[:4]
            raise DataError(f"The model's features are not the platform's ({', '.join(odd) or 'other order'}).", REMEDY)
        rows = np.array(self.manifest.golden_rows, dtype=np.float32)
        wanted = np.array(self.manifest.golden_scores, dtype=np.float64)
        if rows.shape != (len(wanted), len(feature_names)):
            raise DataError("The golden rows do not have one value per feature.", REMEDY)
        given = np.asarray(score(rows), dtype=np.float64)
        if given.shape != wanted.shape or not np.isfinite(given).all() or not np.isfinite(wanted).all():
            raise DataError("The model gives scores that are not numbers on its golden rows.", REMEDY)
        worst = float(np.abs(given - wanted).max())
        if worst > GOLDEN_TOLERANCE * max(1.0, float(np.abs(wanted).max())):
            raise DataError(f"The model's golden scores differ by {worst:.3g}.", REMEDY)

    def check_live(self, live_feature_names: tuple[str, ...]) -> FloatArray | None:
        """The second stage's weights, None when there is none.

        Raises:
            DataError: other live features than the server computes, or weights that are not one number each.
        """
        names, weights = self.manifest.live_feature_names, np.array(self.manifest.live_weights, dtype=np.float64)
        if not names and not len(weights):
            return None
        if names != live_feature_names:
            odd = sorted(set(names) ^ set(live_feature_names))[:4]
            raise DataError(
                f"The model's live features are not the platform's ({', '.join(odd) or 'other order'}).", REMEDY
            )
        if weights.shape != (len(names),) or not np.isfinite(weights).all():
            raise DataError("The weights of the live features are not one number each.", REMEDY)
        return weights


def golden(rows: Float32Array, scores: FloatArray) -> dict[str, Any]:
    """The manifest's golden fields from a matrix and its scores; float32 values survive JSON exactly."""
    return {
        "golden_rows": tuple(tuple(map(float, row)) for row in rows),
        "golden_scores": tuple(map(float, scores)),
    }


def check_sha256(content: bytes, expected: str | None) -> None:
    """Raise DataError when `content` does not have the expected SHA-256 (None expects nothing)."""
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise DataError("A model file does not have the checksum it was registered with.", REMEDY)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
