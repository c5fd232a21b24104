from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from ml_modeling.core.candidates import generate_candidates
from ml_modeling.core.features import FEATURE_NAMES, ranker_matrix
from ml_modeling.core.habits import HABIT_FEATURES
from ml_modeling.core.splits import Baskets, grid_queries
from ml_modeling.core.states import PairState
from ml_modeling.core.training_set import graded_labels, query_rows, training_rows
from shared_utils.errors import DataError
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


@pytest.mark.parametrize("customer", range(6))
def test_habit_columns_equal_a_plain_count_over_the_pairs(customer: int) -> None:
    world = make_world(4)
    table = world.products.at(DAY)
    candidates, matrix = query_rows(world, table, customer, DAY)
    column = dict(zip(FEATURE_NAMES, matrix.T, strict=True))
    pairs, state = world.pairs.at(customer, DAY), world.customers.at(customer, DAY)
    age = DAY - pairs.last_day
    season = pairs.orders_decayed_90d * 2.0 ** (-age / 90)
    kind = table.type_code[pairs.product_index]
    for row, at in enumerate(candidates.pair_position):
        same = kind == table.type_code[candidates.product_index[row]]
        assert column["customer_type_products_count"][row] == same.sum()
        if at < 0:
            assert all(column[name][row] == -1.0 for name in HABIT_FEATURES)
            continue
        chances = state.orders_count - pairs.customer_orders_before_first[at]
        interval = (pairs.last_day[at] - pairs.first_day[at] + 60) / (pairs.days_count[at] + 1)
        found = {
            "pair_orders_share_smoothed": (pairs.orders_count[at] + 0.5) / (chances + 3),
            "pair_interval_days_smoothed": interval,
            "pair_overdue_ratio_smoothed": age[at] / interval,
            "pair_orders_90d_of_best": season[at] / season.max(),
            "pair_recency_over_type_days": age[at] - age[same].min(),
            "pair_type_rank": sum(season[same] > season[at]) + sum(season[same][: sum(same[:at])] == season[at]),
            "pair_last_day_products_count": (age == age[at]).sum(),
            "customer_products_14d": (age <= 14).sum(),
            "customer_last_day_products_count": (age == age.min()).sum(),
        }
        for name, expected in found.items():
            assert column[name][row] == pytest.approx(expected, rel=1e-5), name


def test_a_customer_without_pairs_gets_a_finite_matrix() -> None:
    world = make_world(4)
    table, state, snapshot = world.products.at(DAY), world.customers.at(0, DAY), world.snapshot_at(DAY)
    whole = world.pairs.at(0, DAY)
    nothing = PairState(*(getattr(whole, name)[:0] for name in PairState.__slots__))
    candidates = generate_candidates(DAY, nothing, state, snapshot.copurchase, snapshot.popularity)
    matrix = ranker_matrix(DAY, nothing, state, table, candidates)
    assert len(matrix) > 0
    assert np.isfinite(matrix).all()


def test_rows_of_the_future_do_not_change_the_matrix() -> None:
    whole = make_world(7)
    lines = worlds.make_lines(7)
    cut = FIRST_DAY + 25
    pairs, products, customers = worlds.build_histories(lines.where(lines.day < cut), 6, worlds.make_dimension())
    snapshots = {cut: whole.snapshots[DAY]}
    past = worlds.PointInTime(pairs, products, customers, snapshots)
    whole = replace(whole, snapshots=snapshots)
    for customer in np.unique(lines.customer_index[lines.day < cut]):
        _, expected = query_rows(past, past.products.at(cut), int(customer), cut)
        _, found = query_rows(whole, whole.products.at(cut), int(customer), cut)
        assert np.array_equal(found, expected)


def test_a_snapshot_that_knows_the_answer_is_not_taken() -> None:
    with pytest.raises(DataError, match="as old as"):
        make_world(7).snapshot_at(DAY - 1)


def test_graded_labels_add_later_baskets() -> None:
    grade = graded_labels(np.array([1, 3, 5, 7]), np.array([3, 9]), np.array([3, 5, 5, 8]))
    assert grade.tolist() == [0, 3, 2, 0]


def test_training_rows_hold_positives_and_limited_negatives() -> None:
    world, lines = make_world(3), worlds.make_lines(3)
    world = replace(world, snapshots={FIRST_DAY: world.snapshots[DAY]})
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
