"""Peers that the ranker must beat, re-implemented on sparse matrices.

Sources: TIFU-KNN, Hu et al., "Modeling Personalized Item Frequency Information for Next-basket Recommendation",
SIGIR 2020. UP-CF, Faggioli et al., "Recency Aware Collaborative Filtering for Next Basket Recommendation", UMAP 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ml_modeling.core.replay import OrderLines
from ml_modeling.core.states import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class PurchaseHistory:
    """Customer x product purchases with the basket's place counted from the customer's newest basket (0 = newest).

    Shape: `(lines,)` each, one a (basket, product); `baskets` is `(customers,)`.
    """

    customer_index: IntArray
    product_index: IntArray
    age_baskets: IntArray
    baskets: IntArray
    products: int

    @classmethod
    def from_lines(cls, lines: OrderLines, customers: int, products: int) -> PurchaseHistory:
        """Number each customer's baskets from the newest back; `basket_index` grows with time inside a day."""
        keys = np.stack([lines.customer_index, lines.day, lines.basket_index])
        order = np.lexsort(keys[::-1])
        changed = np.append(True, np.any(keys[:, order][:, 1:] != keys[:, order][:, :-1], axis=0))
        number = np.cumsum(changed) - 1
        owner = lines.customer_index[order][changed]
        newest = np.searchsorted(owner, np.arange(customers), side="right") - 1
        customer = lines.customer_index[order]
        return cls(
            customer_index=customer,
            product_index=lines.product_index[order],
            age_baskets=newest[customer] - number,
            baskets=np.bincount(owner, minlength=customers),
            products=products,
        )

    def matrix(self, weight: FloatArray) -> sparse.csr_matrix:
        """Sum of `weight` by customer and product."""
        shape = (len(self.baskets), self.products)
        return sparse.csr_matrix((weight, (self.customer_index, self.product_index)), shape=shape)


def _best(score: FloatArray, k: int) -> IntArray:
    k = min(k, len(score))
    pool = np.flatnonzero(score >= np.partition(score, len(score) - k)[len(score) - k])
    best: IntArray = pool[np.argsort(-score[pool], kind="stable")][:k]
    return best


def global_top(history: PurchaseHistory, customers: IntArray, k: int) -> list[IntArray]:
    """The products with the most baskets, the same for everybody."""
    best = _best(np.bincount(history.product_index, minlength=history.products).astype(np.float64), k)
    return [best for _ in customers]


def personal_top(history: PurchaseHistory, customers: IntArray, k: int) -> list[IntArray]:
    """The customer's most bought products; ties and the fill go by global popularity, then product id."""
    popularity = np.bincount(history.product_index, minlength=history.products)
    tie = popularity / (popularity.max() + 1.0)
    counts = history.matrix(np.ones(len(history.product_index)))
    fill = _best(tie, k)
    rankings = []
    for customer in customers:
        row = counts[customer]
        order = np.lexsort((row.indices, -(row.data + tie[row.indices])))
        own = row.indices[order][:k].astype(np.int64)
        rankings.append(np.concatenate((own, fill[~np.isin(fill, own)]))[:k])
    return rankings


def _rank_dense(scores: sparse.csr_matrix, mix: FloatArray | sparse.csr_matrix, k: int) -> list[IntArray]:
    """The k best products of each row of `mix`: the weights with which customers' `scores` add up.

    Ranked among the products that any customer has a score for; where there are fewer than k, fewer are given.
    """
    scored = np.flatnonzero(scores.getnnz(axis=0))
    scores, rankings = scores[:, scored], []
    for begin in range(0, mix.shape[0], 128):
        mixed = mix[begin : begin + 128] @ scores
        rankings += [scored[_best(row, k)] for row in (mixed.toarray() if sparse.issparse(mixed) else mixed)]
    return rankings


def tifu_vectors(
    history: PurchaseHistory, within_decay: float, between_decay: float, group_size: int
) -> sparse.csr_matrix:
    """Time-decayed customer vectors of TIFU-KNN: baskets in groups of `group_size` from the newest back.

    Inside a group of n baskets weights are `within_decay ** age / n`; over m groups `between_decay ** age / m`.
    """
    group, place = np.divmod(history.age_baskets, group_size)
    groups = -(-history.baskets // group_size)[history.customer_index]
    members = np.minimum(group_size, history.baskets[history.customer_index] - group * group_size)
    weight = within_decay**place / members * between_decay**group / groups
    return history.matrix(weight)


def tifu_knn(
    history: PurchaseHistory,
    customers: IntArray,
    k: int,
    *,
    neighbours: int = 300,
    within_decay: float = 0.9,
    between_decay: float = 0.7,
    alpha: float = 0.7,
    group_size: int = 7,
) -> list[IntArray]:
    """TIFU-KNN: own vector plus the mean vector of the nearest customers (Euclidean, the customer itself left out)."""
    vectors = tifu_vectors(history, within_decay, between_decay, group_size)
    square = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    distance = square[customers][:, None] + square[None, :] - 2.0 * (vectors[customers] @ vectors.T).toarray()
    distance[np.arange(len(customers)), customers] = np.inf
    neighbours = min(neighbours, len(square) - 1)
    near = np.argpartition(distance, neighbours - 1, axis=1)[:, :neighbours]
    taken = np.column_stack((customers, near))
    share = np.tile(np.append(alpha, np.full(neighbours, (1.0 - alpha) / neighbours)), len(customers))
    mix = sparse.csr_matrix((share, taken.ravel(), np.arange(0, taken.size + 1, neighbours + 1)), distance.shape)
    return _rank_dense(vectors, mix, k)


def up_cf(
    history: PurchaseHistory,
    customers: IntArray,
    k: int,
    *,
    recency_baskets: int = 25,
    asymmetry: float = 0.25,
    locality: float = 5.0,
) -> list[IntArray]:
    """UP-CF: user-wise popularity of the last baskets, spread over customers by asymmetric cosine to the `locality`."""
    recent = history.age_baskets < recency_baskets
    window = np.minimum(history.baskets, recency_baskets)[history.customer_index]
    popularity = history.matrix(np.where(recent, 1.0 / window, 0.0))
    popularity.eliminate_zeros()
    binary = history.matrix(np.ones(len(history.product_index)))
    binary.data[:] = 1.0
    size = np.maximum(np.asarray(binary.sum(axis=1)).ravel(), 1.0)
    shared = (binary[customers] @ binary.T).toarray()
    similarity = shared / (size[customers][:, None] ** asymmetry * size[None, :] ** (1.0 - asymmetry))
    mix = similarity**locality
    return _rank_dense(popularity, mix, k)
