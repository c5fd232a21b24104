"""The replay that judges the second stage: its arms by hand, and that it tells a gain from none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feature_store.core.live_windows import Touches
from ml_modeling.click_moments import Moment
from ml_modeling.core.live import LIVE_FEATURE_NAMES, LIVE_FEATURES
from ml_modeling.core.states import Float32Array, FloatArray
from ml_modeling.evaluation.live_compare import (
    CART_RULE,
    LIVE,
    MIN_JUDGED,
    NIGHTLY,
    Asked,
    LiveComparison,
    ask,
    compare_live,
    fit_rows,
    judged_with,
)
from tests.fakes.model_worlds import FIRST_DAY, make_world

NOTHING = Touches(*(np.empty(0, np.int64) for _ in range(3)), np.empty(0, np.uint8))
KEYS = ("basket_recall", "next_product_hit")
VIEWED = LIVE_FEATURE_NAMES.index("live_viewed_1h")
BY_VIEWS = np.eye(len(LIVE_FEATURE_NAMES))[VIEWED] * 10 + np.eye(len(LIVE_FEATURE_NAMES))[0]


def asked(*, bought: list[int], next_product: int | None, cart: list[int], viewed: list[int], fresh: int = 2) -> Asked:
    """Products 0..19, the smaller the better by night; the last `fresh` are the session's own."""
    ids = np.arange(20)
    matrix = np.zeros((20, len(LIVE_FEATURE_NAMES)))
    matrix[:, 0] = -ids / 20
    matrix[viewed, VIEWED] = 1.0
    moment = Moment(1, FIRST_DAY * 86_400_000, NOTHING, next_product, np.array(bought, dtype=np.int64))
    return Asked(moment, ids, matrix[:, 0], matrix, ids < 20 - fresh, np.isin(ids, cart))


def test_the_three_arms_of_a_moment_among_usual_ones() -> None:
    usual = [asked(bought=[0], next_product=0, cart=[], viewed=[])] * 30  # hits in every arm: a ratio needs some
    moment = asked(bought=[10, 19], next_product=19, cart=[0], viewed=[19])
    arms = judged_with(BY_VIEWS, [moment, *usual], fitted=1).arms
    recall, hit = ({name: getattr(arm, key) * 31 - 30 for name, arm in arms.items()} for key in KEYS)
    assert (recall[NIGHTLY], hit[NIGHTLY]) == pytest.approx((0.0, 0.0))
    assert recall[CART_RULE] == pytest.approx(0.5)  # product 10 moves up to place 10
    assert recall[LIVE] == pytest.approx(0.5)  # 19 is first, and pushes 10 out again
    assert (hit[LIVE], hit[CART_RULE]) == pytest.approx((1.0, 0.0))


def judged(*, informative: bool) -> LiveComparison:
    rng, questions = np.random.default_rng(4), []
    for _ in range(400):
        bought = rng.choice(20, 4, replace=False)
        seen = bought[:1] if informative else rng.choice(20, 1)
        questions.append(
            asked(
                bought=bought.tolist(), next_product=int(bought[1]), cart=[int(rng.integers(20))], viewed=seen.tolist()
            )
        )
    return judged_with(BY_VIEWS, questions, fitted=1)


def test_a_session_that_tells_something_gains_and_one_that_does_not_is_refused() -> None:
    good, idle = judged(informative=True), judged(informative=False)
    assert good.gains
    assert good.ndcg.low > 1.1
    assert good.session_share > 0.5
    assert not idle.gains


def test_products_in_the_cart_are_in_no_fitted_row() -> None:
    rows = fit_rows(
        [
            asked(bought=[3, 4], next_product=None, cart=[3], viewed=[]),
            asked(bought=[], next_product=1, cart=[], viewed=[]),
        ]
    )
    assert rows is not None
    assert (rows.group_size.tolist(), rows.hit.sum(), rows.matrix.shape[0]) == ([19], 1, 19)


def score(matrix: Float32Array) -> FloatArray:
    return matrix.sum(axis=1).astype(np.float64)


def test_only_moments_of_known_customers_with_a_known_touch_ask() -> None:
    world = make_world(3, customers=8, products=40, baskets=200)
    ids, products = np.arange(8), world.products.dimension.product_id
    day = FIRST_DAY + 50
    minute = np.array([day * 1_440 - 5])
    touched = Touches(minute, products[3:4], minute * 60_000, np.array([1], np.uint8))
    one = Moment(2, day * 86_400_000, touched, int(products[4]), products[4:6])
    unknown, idle = replace(one, customer_id=77), replace(one, touches=NOTHING)
    (found,) = ask(world, ids, products, [unknown, one, idle], score)
    assert found.moment is one
    assert found.matrix.shape == (len(found.product_id), len(LIVE_FEATURE_NAMES))
    assert products[3] in found.product_id
    assert compare_live(world, ids, products, [one] * (MIN_JUDGED - 1), score) is None  # too few to say anything
    assert compare_live(world, ids, products, [], score) is None


@pytest.mark.parametrize("name", LIVE_FEATURE_NAMES)
def test_every_live_feature_is_described(name: str) -> None:
    assert len(LIVE_FEATURES[name]) > 15
