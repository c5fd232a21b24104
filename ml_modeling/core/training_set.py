"""Queries to ranker rows: candidates, features and labels, point in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml_modeling.core.candidates import (
    DEFAULT_LIMITS,
    NO_PRODUCTS,
    CandidateLimits,
    CandidateSet,
    PopularityTable,
    generate_candidates,
)
from ml_modeling.core.features import FEATURE_NAMES, ranker_matrix
from ml_modeling.core.replay import PairHistory, ProductHistory
from ml_modeling.core.splits import Queries
from ml_modeling.core.states import CopurchaseTable, CustomerState, Float32Array, IntArray, ProductTable
from shared_utils.errors import DataError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is rebuilt as a whole on a snapshot day, from rows before it."""

    copurchase: CopurchaseTable
    popularity: PopularityTable


class CustomerSource(Protocol):
    """Daily customer snapshots: `replay.CustomerHistory` from raw lines, or rows of the gold table."""

    def at(self, customer_index: int, as_of_day: int) -> CustomerState:
        """The customer's newest snapshot at the midnight that opens `as_of_day`."""
        ...


@dataclass(frozen=True, slots=True)
class PointInTime:
    """Everything a query reads; `snapshots` is keyed by snapshot day."""

    pairs: PairHistory
    products: ProductHistory
    customers: CustomerSource
    snapshots: Mapping[int, Snapshot]

    def snapshot_at(self, as_of_day: int) -> Snapshot:
        """The newest snapshot not after `as_of_day`.

        Raises:
            DataError: there is none; a later one would know the answer.
        """
        days = [day for day in self.snapshots if day <= as_of_day]
        if not days:
            raise DataError(
                f"No co-purchase snapshot is as old as day {as_of_day}.",
                "Run output_to_gold with more --copurchase-weeks.",
            )
        return self.snapshots[max(days)]


@dataclass(frozen=True, slots=True)
class RankerRows:
    """Ranker rows, query after query.

    Shape: `matrix` is `(rows, features)`, `label` `(rows,)`, `group_size` and `customer_index` `(queries,)`.
    """

    matrix: Float32Array
    label: IntArray
    group_size: IntArray
    customer_index: IntArray


def query_rows(
    source: PointInTime,
    products: ProductTable,
    customer_index: int,
    as_of_day: int,
    limits: CandidateLimits = DEFAULT_LIMITS,
    session: IntArray = NO_PRODUCTS,
) -> tuple[CandidateSet, Float32Array]:
    """Candidates of one query (and what its session proposes), with their features."""
    pairs = source.pairs.at(customer_index, as_of_day)
    customer = source.customers.at(customer_index, as_of_day)
    snapshot = source.snapshot_at(as_of_day)
    candidates = generate_candidates(
        as_of_day, pairs, customer, snapshot.copurchase, snapshot.popularity, limits, session
    )
    return candidates, ranker_matrix(as_of_day, pairs, customer, products, candidates)


TRUTH_GRADE = 2
"""Grade of a product of the next basket; each later basket that holds it adds 1."""


def graded_labels(product_index: IntArray, truth: IntArray, later: IntArray) -> IntArray:
    """Relevance of candidates: `TRUTH_GRADE` in the next basket plus the number of later baskets that hold it.

    One basket is a noisy draw of what a household needs; the baskets after it lower the variance of the label.
    Shape: `(candidates,)`; `product_index` ascending.
    """
    grade = TRUTH_GRADE * np.isin(product_index, truth).astype(np.int64)
    known = later[np.isin(later, product_index)]
    np.add.at(grade, np.searchsorted(product_index, known), 1)
    return grade


def training_rows(
    source: PointInTime,
    queries: Queries,
    *,
    negatives: int = 40,
    seed: int = 7,
    limits: CandidateLimits = DEFAULT_LIMITS,
) -> RankerRows:
    """Rows of all queries that hit at least one candidate, with at most `negatives` random misses each.

    Queries are walked day by day, so that one product table serves all queries of a day.
    """
    rng = np.random.default_rng(seed)
    matrices, labels, owners = [], [], []
    order = np.lexsort((queries.customer_index, queries.as_of_day))
    table, table_day = None, -1
    for at in order:
        day, customer = int(queries.as_of_day[at]), int(queries.customer_index[at])
        if table is None or day != table_day:
            table, table_day = source.products.at(day), day
        candidates, matrix = query_rows(source, table, customer, day, limits)
        label = graded_labels(candidates.product_index, queries.truth[at], queries.later[at])
        misses = np.flatnonzero(label == 0)
        if not 0 < len(misses) < len(label):
            continue
        if len(misses) > negatives:
            misses = rng.choice(misses, negatives, replace=False)
        kept = np.sort(np.concatenate((np.flatnonzero(label), misses)))
        matrices.append(matrix[kept])
        labels.append(label[kept])
        owners.append(customer)
    if not matrices:
        return RankerRows(np.empty((0, len(FEATURE_NAMES)), dtype=np.float32), *(np.empty(0, dtype=np.int64),) * 3)
    return RankerRows(
        matrix=np.concatenate(matrices),
        label=np.concatenate(labels).astype(np.int64),
        group_size=np.array([len(label) for label in labels]),
        customer_index=np.array(owners),
    )
