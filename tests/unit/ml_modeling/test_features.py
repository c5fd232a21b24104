from __future__ import annotations

import re

import numpy as np
import pytest

from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.splits import Baskets, grid_queries
from ml_modeling.core.training_set import graded_labels, query_rows, training_rows
from tests.fakes import model_worlds as worlds
from tests.fakes.model_worlds import FIRST_DAY, make_world

DAY = FIRST_DAY + 50


def test_names_follow_the_platform_rule_and_are_unique() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert all(re.fullmatch(r"(customer|product|pair|candidate)_[a-z0-9_]+", name) for name in FEATURE_NAMES)


@pytest.mark.parametrize("customer", range(6))
def test_matrix_is_finite_and_named_columns_hold_what_they_say(customer: int) -> None:
    world = make_world(2)
    table = world.products.at(DAY)
    candidates, matrix = query_rows(world, table, customer, DAY)
    assert matrix.dtype == np.float32
    assert matrix.shape == (len(candidates), len(FEATURE_NAMES))
    assert np.isfinite(matrix).all()
    column = dict(zip(FEATURE_NAMES, matrix.T, strict=True))
    pairs = world.pairs.at(customer, DAY)
    bought = candidates.pair_position >= 0
    own = candidates.pair_position[bought]
    assert column["pair_recency_days"][bought] == pytest.approx(DAY - pairs.last_day[own])
    assert (column["pair_orders_count"][~bought] == 0).all()
    aged = pairs.orders_decayed_30d[own] * 2.0 ** (-(DAY - pairs.last_day[own]) / 30)
    assert column["pair_orders_decayed_30d"][bought] == pytest.approx(aged)
    assert column["product_promo_mailer_share"] == pytest.approx(table.promo_mailer_share[candidates.product_index])


def test_rows_of_the_future_do_not_change_the_matrix() -> None:
    whole = make_world(7)
    lines = worlds.make_lines(7)
    cut = FIRST_DAY + 25
    pairs, products, customers = worlds.build_histories(lines.where(lines.day < cut), 6, worlds.make_dimension())
    past = worlds.PointInTime(pairs, products, customers, whole.snapshots)
    for customer in np.unique(lines.customer_index[lines.day < cut]):
        _, expected = query_rows(past, past.products.at(cut), int(customer), cut)
        _, found = query_rows(whole, whole.products.at(cut), int(customer), cut)
        assert np.array_equal(found, expected)


def test_graded_labels_add_later_baskets() -> None:
    grade = graded_labels(np.array([1, 3, 5, 7]), np.array([3, 9]), np.array([3, 5, 5, 8]))
    assert grade.tolist() == [0, 3, 2, 0]


def test_training_rows_hold_positives_and_limited_negatives() -> None:
    world, lines = make_world(3), worlds.make_lines(3)
    queries = grid_queries(
        Baskets.from_lines(lines), np.array([FIRST_DAY + 20, FIRST_DAY + 30]), label_end_day=DAY, min_days_before=1
    )
    rows = training_rows(world, queries, negatives=3)
    begin = 0
    for size in rows.group_size:
        label = rows.label[begin : begin + size]
        assert 0 < (label == 0).sum() <= 3
        assert label.any()
        begin += size
    assert begin == len(rows.matrix) == len(rows.label)
    again = training_rows(world, queries, negatives=3)
    assert np.array_equal(rows.matrix, again.matrix)
