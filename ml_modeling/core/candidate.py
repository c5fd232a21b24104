"""A fitted ranker on its way to the gate: what its judging, perhaps in another process, needs of the fit."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np

from ml_modeling.core.model_kind import ModelKind
from ml_modeling.core.ranker import TrainedRanker
from ml_modeling.core.states import Float32Array
from shared_utils.errors import DataError

GOLDEN_ROWS = 50
CANDIDATE_FILE = "candidate.npz"
_REMEDY = "Fit again: python -m ml_modeling.training_scripts.fit_ranker."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ranker fitted on the weeks before `cutoff`.

    `golden_rows` are rows of its training matrix, shape `(<= 50, features)`; `data_versions` are the Delta versions of
    what it was fitted on; `seconds` is what each part of the fit took.
    """

    cutoff: date
    ranker: TrainedRanker
    golden_rows: Float32Array
    data_versions: Mapping[str, int]
    seconds: Mapping[str, float]

    def write(self, path: Path) -> None:
        """Write one file of plain arrays (parents are made); it is there whole or not at all."""
        about = {
            "cutoff": self.cutoff.isoformat(),
            "kind": self.ranker.kind.value,
            "validation_ndcg": self.ranker.validation_ndcg,
            "parity": self.ranker.parity,
            "data_versions": dict(self.data_versions),
            "seconds": dict(self.seconds),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as sink:
            np.savez(
                sink,
                about=np.array(json.dumps(about)),
                model=np.frombuffer(self.ranker.content, dtype=np.uint8),
                golden_rows=self.golden_rows,
            )
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The candidate of a file.

        Raises:
            DataError: there is none, or it is damaged.
        """
        try:
            with path.open("rb") as source, np.load(source, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                ranker = TrainedRanker(
                    ModelKind(about["kind"]), arrays["model"].tobytes(), about["validation_ndcg"], about["parity"]
                )
                cutoff = date.fromisoformat(about["cutoff"])
                return cls(cutoff, ranker, arrays["golden_rows"], about["data_versions"], about["seconds"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
            raise DataError(f"There is no whole candidate in {path} ({exc}).", _REMEDY) from exc
