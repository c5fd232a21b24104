from __future__ import annotations

import numpy as np

from data_sources.complete_journey import Lines
from data_sources.user_activity.shelves import Shelves


def _lines(*products: int) -> Lines:
    column = np.array(products, dtype=np.int64)
    return Lines(*([column] * 11))


def _shelves() -> Shelves:
    words = {1: "tea", 2: "tea", 3: "tea", 4: "salt"}
    return Shelves.from_lines(_lines(2, 2, 1, 4), np.array([3, 9]), words)


def test_a_shelf_is_ranked_by_purchases() -> None:
    shelves = _shelves()
    tea = shelves.words.index("tea")
    assert shelves.ranked[tea, :3].tolist() == [2, 1, 3]


def test_neighbours_go_round_the_shelf_and_never_meet_the_product_itself() -> None:
    shelves = _shelves()
    steps = np.array([1, 2])
    assert shelves.neighbour(np.array([2, 2]), steps).tolist() == [1, 3]
    assert shelves.neighbour(np.array([3, 3]), steps).tolist() == [2, 1]
    assert shelves.room_beside(np.array([1, 4, 9])).tolist() == [2, 0, 0]


def test_an_unknown_product_has_a_word_too() -> None:
    shelves = _shelves()
    assert shelves.words[int(shelves.category_of(np.array([9]))[0])] == "groceries"
