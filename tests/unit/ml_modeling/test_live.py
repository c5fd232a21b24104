"""The second stage: sessions and features against plain Python, weights against planted ones."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pytest

from feature_store.core.live_windows import ADD, VIEW, Touches
from ml_modeling.core.live import LIVE_FEATURE_NAMES, NEIGHBOURS, Session, live_matrix, live_scores
from ml_modeling.core.live_fit import LiveRows, fit_live_weights
from ml_modeling.core.states import CopurchaseTable, FloatArray, IntArray
from shared_utils.time_utils import ms_of, to_rfc3339
from tests.fakes.live_records import NOON
from tests.fakes.model_worlds import FIRST_DAY, make_world

WORLD = make_world(3, customers=8, products=40, baskets=200)
PRODUCTS = WORLD.products.at(FIRST_DAY + 50)
COPURCHASE = WORLD.snapshot_at(FIRST_DAY + 50).copurchase
IDS = PRODUCTS.product_id


def touches(*rows: tuple[int, datetime, int]) -> Touches:
    times = np.array([ms_of(to_rfc3339(at)) for _, at, _ in rows], dtype=np.int64)
    product = np.array([product for product, _, _ in rows], dtype=np.int64)
    return Touches(times // 60_000, product, times, np.array([action for *_, action in rows], dtype=np.uint8))


def session_of(*rows: tuple[int, datetime, int], now: datetime = NOON) -> Session | None:
    return Session.of(touches(*rows), now, IDS, COPURCHASE)


def test_a_touch_is_on_one_list_only_and_windows_are_whole_minutes() -> None:
    hour, day = NOON - timedelta(hours=1), NOON - timedelta(days=1)
    session = session_of(
        (int(IDS[1]), NOON - timedelta(minutes=2), VIEW),
        (int(IDS[2]), NOON - timedelta(minutes=2), VIEW),
        (int(IDS[2]), NOON - timedelta(minutes=1), ADD),
        (int(IDS[3]), hour, VIEW),  # the first minute inside
        (int(IDS[4]), hour - timedelta(seconds=1), ADD),  # the last one outside: earlier, and not in the cart any more
        (int(IDS[5]), day, VIEW),
        (int(IDS[6]), day - timedelta(seconds=1), VIEW),  # over a day ago
        (int(IDS[7]), NOON, VIEW),  # a minute that begins now is not over: read a minute later
        (999_999, NOON - timedelta(minutes=3), VIEW),  # not in the table
        (int(IDS[1]), hour - timedelta(minutes=9), VIEW),  # the newer touch wins
    )
    assert session is not None
    assert (session.viewed.tolist(), session.added.tolist(), session.earlier.tolist()) == ([1, 3], [2], [4, 5])
    assert session.in_cart(np.array([1, 2, 3])).tolist() == [False, True, False]
    assert session_of((999_999, NOON - timedelta(minutes=3), VIEW)) is None
    assert session_of((int(IDS[6]), day - timedelta(seconds=1), VIEW)) is None


def test_the_session_proposes_what_was_seen_and_the_strongest_neighbours() -> None:
    at = NOON - timedelta(minutes=5)
    session = session_of((int(IDS[3]), at, VIEW), (int(IDS[4]), at, ADD))
    assert session is not None
    found = session.candidates(COPURCHASE).tolist()
    strength = {p: joint_of(p, [3, 4]) for p in range(len(IDS))}
    best = sorted((p for p in strength if strength[p] > 0), key=lambda p: (-strength[p], p))[:NEIGHBOURS]
    assert best  # the control: there are neighbours
    assert found == sorted({3, *best})


def joint_of(product: int, touched: list[int]) -> float:
    """Co-purchase score of a product from the touched ones, by walking the table."""
    total = 0.0
    for other in touched:
        place = COPURCHASE.position[other]
        for neighbour, score in zip(COPURCHASE.neighbour[place], COPURCHASE.score[place], strict=True):
            if place >= 0 and neighbour < len(COPURCHASE.product_index):
                total += float(score) * int(COPURCHASE.product_index[neighbour] == product)
    return total


@pytest.mark.parametrize("seed", range(12))
def test_every_feature_equals_plain_python(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (int(rng.choice(IDS)), NOON - timedelta(minutes=int(rng.integers(1, 200))), int(rng.choice((VIEW, ADD))))
        for _ in range(rng.integers(1, 12))
    ]
    session = session_of(*rows)
    assert session is not None
    candidates = np.sort(rng.choice(len(IDS), 20, replace=False))
    score = rng.normal(size=20)
    matrix = live_matrix(session, candidates, score, PRODUCTS, COPURCHASE)
    recent = {p for p, at, _ in rows if at >= NOON - timedelta(hours=1)}
    added = {p for p, at, action in rows if at >= NOON - timedelta(hours=1) and action == ADD}
    index = {int(product): place for place, product in enumerate(IDS)}

    def shared(code: IntArray, product: int, *, itself: bool) -> int:
        own = int(code[index[product]])
        return sum(own != 0 and own == code[index[p]] for p in recent if itself or p != product)

    for row, place in enumerate(candidates):
        product, count = int(IDS[place]), max(len(recent), 1)
        category = shared(PRODUCTS.category_code, product, itself=False)
        wanted = (
            score[row],
            product in recent - added,
            product in {p for p, _, _ in rows} - recent,
            min(category, 3),
            category / count,
            min(shared(PRODUCTS.type_code, product, itself=False), 3),
            shared(PRODUCTS.department_code, product, itself=True) / count,
            math.log1p(joint_of(int(place), [index[p] for p in recent])),
        )
        assert dict(zip(LIVE_FEATURE_NAMES, matrix[row], strict=True)) == pytest.approx(
            dict(zip(LIVE_FEATURE_NAMES, map(float, wanted), strict=True))
        )


def test_a_table_without_neighbours_gives_a_session_all_the_same() -> None:
    nothing = CopurchaseTable(
        np.empty(0, np.int64), np.full(len(IDS), -1), np.empty((0, 0), np.int64), np.empty((0, 0), np.float32)
    )
    session = Session.of(touches((int(IDS[1]), NOON - timedelta(minutes=1), VIEW)), NOON, IDS, nothing)
    assert session is not None
    assert session.candidates(nothing).tolist() == [1]
    assert live_matrix(session, np.array([1, 2]), np.zeros(2), PRODUCTS, nothing)[:, -1].tolist() == [0.0, 0.0]


def test_equal_rows_get_equal_scores_whatever_stands_beside() -> None:
    rng = np.random.default_rng(1)
    matrix, weights = rng.normal(size=(200, len(LIVE_FEATURE_NAMES))), rng.normal(size=len(LIVE_FEATURE_NAMES))
    assert live_scores(matrix, weights)[17] == live_scores(matrix[17:18], weights)[0]


def chosen_rows(weights: FloatArray, *, questions: int, seed: int = 5) -> LiveRows:
    """Questions of 12 candidates, of which one is chosen with the odds that the weights give."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(questions * 12, len(weights))) * np.array([3.0, 1.0, 0.2, 1.0])
    matrix[:, 3] = 4.0  # never varies
    odds = np.exp((matrix @ weights).reshape(questions, 12))
    picked = (rng.random((questions, 1)) * odds.sum(axis=1, keepdims=True) < np.cumsum(odds, axis=1)).argmax(axis=1)
    hit = np.zeros((questions, 12), dtype=bool)
    hit[np.arange(questions), picked] = True
    return LiveRows(matrix, hit.ravel(), np.full(questions, 12))


def test_the_fit_recovers_planted_weights_in_the_features_own_units() -> None:
    planted = np.array([0.5, -1.0, 4.0, 0.0])
    found = fit_live_weights(chosen_rows(planted, questions=8_000))
    assert found == pytest.approx(planted, abs=0.25)
    assert found[3] == 0.0
    assert found.tolist() == fit_live_weights(chosen_rows(planted, questions=8_000)).tolist()


def test_shuffled_choices_teach_nothing() -> None:
    rows = chosen_rows(np.array([0.5, -1.0, 4.0, 0.0]), questions=4_000)
    hit = np.random.default_rng(2).permuted(rows.hit.reshape(-1, 12), axis=1).ravel()
    assert np.abs(fit_live_weights(LiveRows(rows.matrix, hit, rows.group_size)) * rows.matrix.std(axis=0)).max() < 0.06
