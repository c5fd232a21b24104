from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ml_modeling.core import baselines
from ml_modeling.core.replay import OrderLines
from ml_modeling.core.states import IntArray
from tests.fakes.model_worlds import make_lines

CUSTOMERS, PRODUCTS = 6, 12


def histories(lines: OrderLines) -> list[list[list[int]]]:
    """Baskets of each customer, oldest first."""
    return [
        [
            lines.product_index[lines.basket_index == basket].tolist()
            for basket in np.unique(lines.basket_index[lines.customer_index == customer])
        ]
        for customer in range(CUSTOMERS)
    ]


def naive_tifu_vector(baskets: list[list[int]], within: float, between: float, size: int) -> np.ndarray:
    newest_first = baskets[::-1]
    groups = [newest_first[at : at + size] for at in range(0, len(newest_first), size)]
    vector = np.zeros(PRODUCTS)
    for group_age, group in enumerate(groups):
        part = np.zeros(PRODUCTS)
        for age, basket in enumerate(group):
            part[basket] += within**age
        vector += part / len(group) * between**group_age
    return vector / len(groups)


@pytest.mark.parametrize("seed", range(4))
def test_tifu_knn_equals_a_naive_implementation(seed: int) -> None:
    lines = make_lines(seed)
    history = baselines.PurchaseHistory.from_lines(lines, CUSTOMERS, PRODUCTS)
    vectors = np.array([naive_tifu_vector(baskets, 0.9, 0.7, 3) for baskets in histories(lines)])
    assert baselines.tifu_vectors(history, 0.9, 0.7, 3).toarray() == pytest.approx(vectors)
    found = baselines.tifu_knn(
        history, np.arange(CUSTOMERS), 4, neighbours=2, within_decay=0.9, between_decay=0.7, alpha=0.7, group_size=3
    )
    for customer in range(CUSTOMERS):
        far = np.linalg.norm(vectors - vectors[customer], axis=1)
        far[customer] = np.inf
        near = np.argsort(far)[:2]
        score = 0.7 * vectors[customer] + 0.3 * vectors[near].mean(axis=0)
        assert score[found[customer]] == pytest.approx(np.sort(score)[::-1][:4])


def test_up_cf_equals_a_naive_implementation() -> None:
    lines = make_lines(5)
    history = baselines.PurchaseHistory.from_lines(lines, CUSTOMERS, PRODUCTS)
    found = baselines.up_cf(history, np.arange(CUSTOMERS), 4, recency_baskets=3, asymmetry=0.25, locality=5.0)
    past = histories(lines)
    popularity = np.zeros((CUSTOMERS, PRODUCTS))
    for customer, baskets in enumerate(past):
        for basket in baskets[-3:]:
            popularity[customer, basket] += 1 / min(3, len(baskets))
    sets = [{item for basket in baskets for item in basket} for baskets in past]
    for customer in range(CUSTOMERS):
        close = [len(sets[customer] & other) / (len(sets[customer]) ** 0.25 * len(other) ** 0.75) for other in sets]
        score = np.array(close) ** 5.0 @ popularity
        assert score[found[customer]] == pytest.approx(np.sort(score)[::-1][:4])


@pytest.mark.parametrize("method", [baselines.tifu_knn, baselines.up_cf])
def test_products_that_nobody_bought_are_not_ranked(method: Callable[..., list[IntArray]]) -> None:
    """Nor is a place left for them: a small shop has fewer products than places."""
    lines = make_lines(3)
    moved = replace(lines, product_index=lines.product_index + 5)
    places, wanted = 3 * PRODUCTS, np.arange(CUSTOMERS)
    plain = method(baselines.PurchaseHistory.from_lines(lines, CUSTOMERS, PRODUCTS), wanted, places)
    among_more = method(baselines.PurchaseHistory.from_lines(moved, CUSTOMERS, PRODUCTS + 9), wanted, places)
    for few, more in zip(plain, among_more, strict=True):
        assert sorted(few) == np.unique(lines.product_index).tolist()
        assert more.tolist() == (few + 5).tolist()


def test_personal_top_counts_baskets_and_fills_by_popularity() -> None:
    lines = make_lines(2)
    history = baselines.PurchaseHistory.from_lines(lines, CUSTOMERS, PRODUCTS)
    everybody = baselines.global_top(history, np.arange(CUSTOMERS), PRODUCTS)[0]
    for customer, ranking in enumerate(baselines.personal_top(history, np.arange(CUSTOMERS), PRODUCTS)):
        mine = np.bincount(lines.product_index[lines.customer_index == customer], minlength=PRODUCTS)
        assert np.all(np.diff(mine[ranking]) <= 0)
        unknown = ranking[mine[ranking] == 0]
        assert unknown.tolist() == [product for product in everybody if product in set(unknown.tolist())]
