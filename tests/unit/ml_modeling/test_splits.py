from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_modeling.core import splits
from tests.fakes.model_worlds import FIRST_DAY, make_lines


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 45))
def test_global_split_asks_for_the_first_basket_after_the_cutoff(seed: int, after: int) -> None:
    lines, cutoff = make_lines(seed), FIRST_DAY + after
    queries = splits.global_split(splits.Baskets.from_lines(lines), cutoff, min_days_before=1, later_baskets=1)
    asked = set(queries.customer_index.tolist())
    for at, customer in enumerate(queries.customer_index):
        mine = lines.where((lines.customer_index == customer) & (lines.day >= cutoff))
        baskets = np.unique(mine.basket_index)
        assert queries.truth[at].tolist() == mine.product_index[mine.basket_index == baskets[0]].tolist()
        later = mine.product_index[mine.basket_index == baskets[1]].tolist() if len(baskets) > 1 else []
        assert queries.later[at].tolist() == later
        assert queries.as_of_day[at] == cutoff <= queries.basket_day[at]
    before = set(lines.customer_index[lines.day < cutoff].tolist())
    assert asked == before & set(lines.customer_index[lines.day >= cutoff].tolist())


def test_last_basket_split_asks_as_of_the_last_day() -> None:
    lines = make_lines(4)
    queries = splits.last_basket_split(splits.Baskets.from_lines(lines), min_days_before=3)
    for at, customer in enumerate(queries.customer_index):
        mine = lines.where(lines.customer_index == customer)
        assert queries.truth[at].tolist() == mine.product_index[mine.basket_index == mine.basket_index.max()].tolist()
        assert queries.as_of_day[at] == mine.day.max()
        assert len(np.unique(mine.day)) > 3


def test_grid_labels_never_pass_the_end_of_the_lines() -> None:
    lines = make_lines(6)
    end = FIRST_DAY + 30
    days = np.array([FIRST_DAY + 10, FIRST_DAY + 20])
    baskets = splits.Baskets.from_lines(lines)
    queries = splits.grid_queries(baskets, days, label_end_day=end, min_days_before=1, later_baskets=2)
    past = splits.Baskets.from_lines(lines.where(lines.day < end))
    expected = splits.grid_queries(past, days, label_end_day=end + 99, min_days_before=1, later_baskets=2)
    assert [later.tolist() for later in queries.later] == [later.tolist() for later in expected.later]
    assert len(queries) > 0
    assert (queries.basket_day < end).all()
    assert (queries.basket_day >= queries.as_of_day).all()


def test_grid_drops_the_questions_whose_basket_came_late() -> None:
    baskets, days = splits.Baskets.from_lines(make_lines(6)), np.array([FIRST_DAY + 10, FIRST_DAY + 20])
    whole = splits.grid_queries(baskets, days, label_end_day=FIRST_DAY + 40, min_days_before=1)
    near = splits.grid_queries(baskets, days, label_end_day=FIRST_DAY + 40, min_days_before=1, max_gap_days=2)
    kept = whole.basket_day - whole.as_of_day <= 2
    assert 0 < len(near) < len(whole)
    assert np.array_equal(near.customer_index, whole.customer_index[kept])
    assert np.array_equal(near.basket_day, whole.basket_day[kept])
