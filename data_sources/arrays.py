"""Array types, and runs of equal values in a sorted or grouped column."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def run_starts(keys: Ints) -> Ints:
    """The row at which each run of equal keys begins."""
    return np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])


def run_stops(keys: Ints) -> Ints:
    """The row after each run of equal keys."""
    return np.r_[run_starts(keys)[1:], len(keys)] if len(keys) else run_starts(keys)


def number_within(keys: Ints) -> Ints:
    """0, 1, 2 … inside each run of equal keys."""
    starts = run_starts(keys)
    return np.arange(len(keys)) - np.repeat(starts, run_stops(keys) - starts)


def lookup(mapping: Callable[[int], str], values: Ints) -> list[str]:
    """`mapping` for each value, called once for each distinct value."""
    distinct, inverse = np.unique(values, return_inverse=True)
    names = [mapping(value) for value in distinct.tolist()]
    return [names[i] for i in inverse.tolist()]
