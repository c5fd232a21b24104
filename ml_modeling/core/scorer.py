"""One serving artefact for both ranker libraries: an ONNX tree ensemble in double precision.

Measured on synthetic models of 300 trees, 150 rows, one thread, least of 200-300 rounds. The machine was shared and
loaded, and Treelite and the stock converters ran in another session than the rest, so read the order only:

| | least ms | largest absolute difference from the library |
| --- | --- | --- |
| native LightGBM | 1.8-3.6 | - |
| native XGBoost | 1.0-1.6 | - |
| Treelite GTIL, both kinds | 6.0-6.1 | LightGBM 0, XGBoost 2.4e-7 |
| ONNX, stock float32 converters | LightGBM 1.0, XGBoost 1.3 | 2.7e-6, XGBoost 5.0 (wrong) |
| ONNX, doubles written here, both kinds | 1.7 | LightGBM 2.4e-7, XGBoost 3.1e-6 |

ONNX in doubles was taken for speed. On the test rows of Complete Journey LightGBM differs by 2.4e-7 and XGBoost, which
sums in float32 itself, by up to 4.1e-6: an absolute bound of 1e-6 holds for LightGBM only; GTIL alone met it for both.
"""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from ml_modeling.core.states import Float32Array, FloatArray

INPUT_NAME = "features"
OUTPUT_NAME = "score"


class Scorer:
    """Scores the candidates of one request, single-threaded; safe to share between threads."""

    def __init__(self, artefact: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])

    def score(self, matrix: Float32Array) -> FloatArray:
        """Raw scores, larger is better. Shape: `(candidates,)`."""
        (scores,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: matrix.astype(np.float64)})
        return np.asarray(scores, dtype=np.float64)[:, 0]
