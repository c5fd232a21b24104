"""The bundle's scorer through ONNX Runtime, with its errors translated."""

from __future__ import annotations

from ml_modeling.core.bundle import ModelBundle
from ml_modeling.core.scorer import Scorer as OnnxScorer
from ml_modeling.core.states import Float32Array, FloatArray
from shared_utils.errors import DataError

SCORER_FORMAT = "onnx"
_REMEDY = "Train and register again."


class GuardedScorer:
    """An ONNX ranker whose failures are DataError."""

    def __init__(self, artefact: bytes) -> None:
        try:
            self._scorer = OnnxScorer(artefact)
        except Exception as exc:  # ONNX Runtime's errors share no base of their own
            raise DataError(f"The model cannot be loaded ({exc}).", _REMEDY) from exc

    def score(self, matrix: Float32Array) -> FloatArray:
        """One score a row. Raises DataError: the model does not take this matrix."""
        try:
            return self._scorer.score(matrix)
        except Exception as exc:  # as above
            raise DataError(f"The model cannot score ({exc}).", _REMEDY) from exc


def load_onnx_scorer(bundle: ModelBundle) -> GuardedScorer:
    """The scorer of a bundle. Raises DataError: another format, or damaged."""
    if bundle.manifest.scorer_format != SCORER_FORMAT:
        raise DataError(f"Serving does not know the scorer format '{bundle.manifest.scorer_format}'.", _REMEDY)
    return GuardedScorer(bundle.scorer)
