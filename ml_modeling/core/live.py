"""The second stage of the ranker: what a shopper does now, as candidates, features and a rule.

The nightly states rank; the products that a customer touched (viewed, or put into the cart) in the last hour and day
then move the ranking. The same functions fit the stage (`live_fit`), replay it offline and serve it. Without a touch,
or without fitted weights, nothing here takes part and the list is the nightly one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from feature_store.core.live_windows import ADD, WINDOWS, Touches, end_minute
from ml_modeling.core.candidates import top_n
from ml_modeling.core.states import CopurchaseTable, FloatArray, IntArray, ProductTable

LIVE_FEATURES: Final[Mapping[str, str]] = {
    "ranker_score": "score of the first stage",
    "live_viewed_1h": "1 when the product was viewed in the last hour",
    "live_touched_24h": "1 when it was viewed or added in the last day, but not in the last hour",
    "live_category_touches_1h": "other products of its category touched in the last hour, at most 3",
    "live_category_share_1h": "those among all products touched in the last hour",
    "live_type_touches_1h": "other products of its type touched in the last hour, at most 3",
    "live_department_share_1h": "products of its department among all products touched in the last hour",
    "live_copurchase_1h": "log(1 + summed co-purchase score from the products touched in the last hour)",
}
"""Names in the order of the weights and of the columns of `live_matrix`, with their meaning."""
LIVE_FEATURE_NAMES: Final = tuple(LIVE_FEATURES)
NEIGHBOURS: Final = 30
_MOST_TOUCHES = 3


@dataclass(frozen=True, slots=True)
class Session:
    """What a customer touched in the day before an instant, as product indices: ascending, each on one list only.

    `viewed` and `added` are of the last hour (added wins), `earlier` of the rest of the day. `joint` is the summed
    co-purchase score from `viewed` and `added`, by place in the co-purchase table; its last element is always 0.
    """

    viewed: IntArray
    added: IntArray
    earlier: IntArray
    joint: FloatArray

    @classmethod
    def of(cls, touches: Touches, now: datetime, product_id: IntArray, copurchase: CopurchaseTable) -> Self | None:
        """The session of a customer's touches as of `now`; None when none is known to the product table.

        Windows are those of `live_windows`: whole minutes, the running one included. `product_id` ascends.
        """
        end = end_minute(now)
        inside = touches.within(end - WINDOWS["24h"], end)
        place = np.minimum(np.searchsorted(product_id, inside.product_id), max(len(product_id) - 1, 0))
        known = product_id[place] == inside.product_id if len(product_id) else np.zeros(0, dtype=bool)
        if not known.any():
            return None
        index = place[known].astype(np.int64)
        recent = inside.minute[known] >= end - WINDOWS["1h"]
        added = np.unique(index[recent & (inside.action[known] == ADD)])
        now_touched = np.unique(index[recent])
        viewed = np.setdiff1d(now_touched, added, assume_unique=True)
        earlier = np.setdiff1d(np.unique(index), now_touched, assume_unique=True)
        from_place = copurchase.position[now_touched]
        from_place = from_place[from_place >= 0]
        joint = np.bincount(
            copurchase.neighbour[from_place].ravel(),
            weights=copurchase.score[from_place].ravel(),
            minlength=len(copurchase.product_index) + 1,
        ).astype(np.float64, copy=False)  # without one neighbour it counts in integers
        joint[-1] = 0.0
        return cls(viewed, added, earlier, joint)

    @property
    def touched(self) -> IntArray:
        """All products of the last hour."""
        return np.sort(np.concatenate((self.viewed, self.added)))

    def candidates(self, copurchase: CopurchaseTable) -> IntArray:
        """Products that the session proposes: what was looked at, and the strongest neighbours of all of it."""
        best = top_n(self.joint[:-1], NEIGHBOURS)
        return np.unique(
            np.concatenate((self.viewed, self.earlier, copurchase.product_index[best[self.joint[best] > 0.0]]))
        )

    def in_cart(self, product_index: IntArray) -> npt.NDArray[np.bool_]:
        """Which products were put into the cart within the hour: a shelf need not offer them again."""
        return np.isin(product_index, self.added)


def live_matrix(
    session: Session, product_index: IntArray, score: FloatArray, products: ProductTable, copurchase: CopurchaseTable
) -> FloatArray:
    """The second stage's input. Shape: `(candidates, len(LIVE_FEATURE_NAMES))`; `score` is the first stage's."""
    touched = session.touched
    count = max(len(touched), 1)
    itself = np.isin(product_index, touched).astype(np.int64)
    category = _of_group(products.category_code, touched, product_index, itself)
    kind = _of_group(products.type_code, touched, product_index, itself)
    department = _of_group(products.department_code, touched, product_index, np.zeros_like(itself))
    return np.stack(
        (
            score,
            np.isin(product_index, session.viewed),
            np.isin(product_index, session.earlier),
            np.minimum(category, _MOST_TOUCHES),
            category / count,
            np.minimum(kind, _MOST_TOUCHES),
            department / count,
            np.log1p(session.joint[copurchase.position[product_index]]),
        ),
        axis=1,
        dtype=np.float64,
    )


def live_scores(matrix: FloatArray, weights: FloatArray) -> FloatArray:
    """Scores of the second stage. Row by row and not by BLAS: equal rows get equal scores, whatever stands beside."""
    scores: FloatArray = (matrix * weights).sum(axis=1)
    return scores


def _of_group(code: IntArray, touched: IntArray, product_index: IntArray, itself: IntArray) -> IntArray:
    """How many touched products share the code of each candidate, without the candidate; code 0 is shared by none."""
    codes, counts = np.unique(code[touched], return_counts=True)
    wanted = code[product_index]
    if not len(codes):
        return np.zeros(len(wanted), dtype=np.int64)
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    shared: IntArray = np.where((codes[place] == wanted) & (wanted != 0), counts[place] - itself, 0)
    return shared
