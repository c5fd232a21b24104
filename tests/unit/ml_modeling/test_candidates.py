from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_modeling.core.candidates import CandidateLimits, CandidateSet, CandidateSource, generate_candidates, top_n
from ml_modeling.core.training_set import PointInTime
from tests.fakes.model_worlds import FIRST_DAY, make_world

DAY = FIRST_DAY + 50
SMALL = CandidateLimits(repeat=3, copurchase=2, popularity=2, copurchase_pairs=5)


def ask(world: PointInTime, customer: int, limits: CandidateLimits = SMALL) -> CandidateSet:
    snapshot = world.snapshots[DAY]
    return generate_candidates(
        DAY,
        world.pairs.at(customer, DAY),
        world.customers.at(customer, DAY),
        snapshot.copurchase,
        snapshot.popularity,
        limits,
    )


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 12))
def test_top_n_breaks_ties_by_position(values: list[int], n: int) -> None:
    expected = sorted(range(len(values)), key=lambda at: (-values[at], at))[:n]
    assert top_n(np.array(values, dtype=np.float64), n).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 5))
def test_candidates_are_deterministic_and_consistent(seed: int, customer: int) -> None:
    world = make_world(seed)
    first, again = ask(world, customer), ask(make_world(seed), customer)
    for name in CandidateSet.__slots__:
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert np.all(np.diff(first.product_index) > 0)
    pairs = world.pairs.at(customer, DAY)
    bought = first.pair_position >= 0
    assert np.array_equal(pairs.product_index[first.pair_position[bought]], first.product_index[bought])
    assert not np.isin(first.product_index[~bought], pairs.product_index).any()
    repeats = (first.source & CandidateSource.REPEAT) > 0
    assert repeats.sum() == min(3, len(pairs))
    assert not (repeats & ~bought).any()
    assert not (((first.source & CandidateSource.COPURCHASE) > 0) & bought).any()


def test_a_customer_without_pairs_gets_the_popular_products() -> None:
    world = make_world(1)
    found = generate_candidates(
        FIRST_DAY,
        world.pairs.at(0, FIRST_DAY),
        world.customers.at(0, FIRST_DAY),
        world.snapshots[DAY].copurchase,
        world.snapshots[DAY].popularity,
        SMALL,
    )
    assert set(found.source.tolist()) == {int(CandidateSource.POPULARITY)}
    assert (found.pair_position == -1).all()
    assert (found.popularity_score > 0).all()
