from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_modeling.core.replay import build_copurchase, build_histories
from ml_modeling.core.states import decay
from tests.fakes.model_worlds import FIRST_DAY, make_dimension, make_lines


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_decay_on_read_equals_brute_force_from_raw_lines(seed: int, after: int) -> None:
    lines, as_of_day = make_lines(seed), FIRST_DAY + after
    pairs, _, _ = build_histories(lines, 6, make_dimension())
    for customer in range(6):
        state = pairs.at(customer, as_of_day)
        mine = lines.where((lines.customer_index == customer) & (lines.day < as_of_day))
        assert state.product_index.tolist() == np.unique(mine.product_index).tolist()
        for row, product in enumerate(state.product_index):
            raw = mine.where(mine.product_index == product)
            read = decay(state.orders_decayed_30d[row], np.int64(as_of_day) - state.last_day[row], 30.0)
            assert read == pytest.approx(np.exp2(-(as_of_day - raw.day) / 30).sum())
            week = decay(state.orders_decayed_7d[row], np.int64(as_of_day) - state.last_day[row], 7.0)
            assert week == pytest.approx(np.exp2(-(as_of_day - raw.day) / 7).sum())
            assert state.orders_count[row] == len(raw.day)
            assert state.days_count[row] == len(np.unique(raw.day))
            assert (state.first_day[row], state.last_day[row]) == (raw.day.min(), raw.day.max())
            assert state.spend_cents_sum[row] == raw.spend_cents.sum()
            assert state.quantity_sum[row] == raw.quantity.sum()
            assert state.discounted_orders_count[row] == raw.discounted.sum()
            before = mine.where(mine.day < raw.day.min()).basket_index
            until = mine.where(mine.day <= raw.day.max()).basket_index
            assert state.customer_orders_before_first[row] == len(np.unique(before))
            assert state.customer_orders_at_last[row] == len(np.unique(until))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_product_table_equals_brute_force_from_raw_lines(seed: int, after: int) -> None:
    lines, as_of_day = make_lines(seed), FIRST_DAY + after
    _, products, _ = build_histories(lines, 6, make_dimension())
    table = products.at(as_of_day)
    past = lines.where(lines.day < as_of_day)
    for product in range(12):
        raw = past.where(past.product_index == product)
        assert table.orders_count[product] == len(raw.day)
        assert table.buyers_count[product] == len(np.unique(raw.customer_index))
        days = [len(np.unique(raw.day[raw.customer_index == customer])) for customer in range(6)]
        assert table.repeat_buyers_count[product] == sum(count >= 2 for count in days)
        age = np.int64(as_of_day) - table.last_day[product]
        expected = np.exp2(-(as_of_day - raw.day) / 90).sum()
        assert decay(table.orders_decayed_90d[product], age, 90.0) == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_customer_snapshot_equals_brute_force_from_raw_lines(seed: int, after: int) -> None:
    lines, as_of_day = make_lines(seed), FIRST_DAY + after
    _, _, customers = build_histories(lines, 6, make_dimension())
    for customer in np.unique(lines.customer_index[lines.day < as_of_day]):
        mine = lines.where((lines.customer_index == customer) & (lines.day < as_of_day))
        month = mine.where(mine.day >= as_of_day - 28)
        state = customers.at(int(customer), as_of_day)
        assert state.orders_count == len(np.unique(mine.basket_index))
        assert state.order_days_count == len(np.unique(mine.day))
        assert (state.first_order_day, state.last_order_day) == (mine.day.min(), mine.day.max())
        assert state.orders_28d == len(np.unique(month.basket_index))
        assert state.spend_cents_28d == month.spend_cents.sum()
        assert state.discounted_lines_91d == mine.discounted.sum()


def test_copurchase_equals_brute_force() -> None:
    lines = make_lines(3)
    day = FIRST_DAY + 30
    table = build_copurchase(lines, 12, day, neighbours=3, min_orders=2, min_pairs=1)
    past = lines.where(lines.day < day)
    held = [set(past.basket_index[past.product_index == product]) for product in range(12)]
    for place, product in enumerate(table.product_index):
        scores = {
            other: len(held[product] & held[other]) / np.sqrt(len(held[product]) * len(held[other]))
            for other in table.product_index
            if other != product and held[product] & held[other]
        }
        best = sorted(scores, key=lambda other: (-scores[other], other))[:3]
        found = table.neighbour[place][table.score[place] > 0]
        assert table.product_index[found].tolist() == best
        assert table.score[place][: len(best)] == pytest.approx([scores[other] for other in best])
