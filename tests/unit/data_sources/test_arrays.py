from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_sources.arrays import lookup, number_within, run_starts, run_stops


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=8))
def test_runs_cut_a_column_where_it_changes(runs: list[tuple[int, int]]) -> None:
    distinct = [(key, n) for i, (key, n) in enumerate(runs) if i == 0 or key != runs[i - 1][0]]
    keys = np.array([key for key, n in distinct for _ in range(n)], dtype=np.int64)
    lengths = [n for _, n in distinct]
    assert (run_stops(keys) - run_starts(keys)).tolist() == lengths
    assert keys[run_starts(keys)].tolist() == [key for key, _ in distinct]
    assert number_within(keys).tolist() == [i for n in lengths for i in range(n)]


def test_lookup_asks_once_for_each_value() -> None:
    asked: list[int] = []
    assert lookup(lambda v: asked.append(v) or str(v), np.array([2, 1, 2])) == ["2", "1", "2"]
    assert asked == [1, 2]
