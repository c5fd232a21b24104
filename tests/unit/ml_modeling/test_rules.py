from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml_modeling.core.rules import allowed


@given(st.permutations(range(10)), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_only_stocked_products_that_are_not_banned_stay_in_order(
    ranking: list[int], stock: set[int], ban: set[int]
) -> None:
    in_stock = np.isin(np.arange(10), sorted(stock))
    banned = np.isin(np.arange(10), sorted(ban))
    expected = [product for product in ranking if product in stock and product not in ban]
    assert allowed(np.array(ranking), in_stock=in_stock, banned=banned).tolist() == expected
