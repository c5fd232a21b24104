"""Business rules on a finished ranking."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml_modeling.core.states import IntArray


def allowed(ranking: IntArray, *, in_stock: npt.NDArray[np.bool_], banned: npt.NDArray[np.bool_]) -> IntArray:
    """The ranking without products out of stock or banned, order kept.

    Shape: `ranking` holds product indices; `in_stock` and `banned` are `(products,)`.
    """
    kept: IntArray = ranking[in_stock[ranking] & ~banned[ranking]]
    return kept
