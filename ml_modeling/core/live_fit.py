"""Fits the weights of the second stage: a conditional logit over the candidates of each question.

One weight a feature, so that each can be read and told to a shopper; fitted by the likelihood of the products that were
bought, each against all candidates of its question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ml_modeling.core.states import FloatArray, IntArray

_PENALTY: Final = 1e-3
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class LiveRows:
    """Second-stage rows, question after question, each question with at least one hit.

    Shape: `matrix` `(rows, features)`, `hit` `(rows,)`, `group_size` `(questions,)`.
    """

    matrix: FloatArray
    hit: npt.NDArray[np.bool_]
    group_size: IntArray


def fit_live_weights(rows: LiveRows) -> FloatArray:
    """One weight a feature, on the features' own units; equal rows give equal weights.

    The penalty (on standardised features) only keeps a feature that never varies at 0. Rounded to 6 digits, so that the
    optimiser's last bits are not part of a model's bytes.
    """
    scale = rows.matrix.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    matrix = rows.matrix / scale
    start = np.cumsum(rows.group_size) - rows.group_size
    group = np.repeat(np.arange(len(rows.group_size)), rows.group_size)
    hits = np.add.reduceat(rows.hit.astype(np.float64), start)
    wanted = matrix[rows.hit].sum(axis=0)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        score = matrix @ weights
        top = np.maximum.reduceat(score, start)
        odds = np.exp(score - top[group])
        total = np.add.reduceat(odds, start)
        value = float(hits @ (np.log(total) + top) - wanted @ weights)
        slope = matrix.T @ (odds * (hits / total)[group]) - wanted
        questions = len(rows.group_size)
        return value / questions + _PENALTY * float(weights @ weights), slope / questions + 2 * _PENALTY * weights

    found = minimize(loss, np.zeros(matrix.shape[1]), jac=True, method="L-BFGS-B")
    rounded: FloatArray = np.round(found.x / scale, _DIGITS)
    return rounded
