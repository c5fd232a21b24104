"""What stands beside a product in a list of the shop: its category, ranked by how often it was bought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_sources.arrays import Ints
from data_sources.complete_journey import Lines

_SHELF_SIZE = 12
_OTHER = "groceries"


@dataclass(frozen=True)
class Shelves:
    """The most bought products of each category.

    `ranked` has one row a category, best first, and repeats the last product where a category has fewer; `sizes` are
    the true lengths. `words` is the search text of each category. `product_ids` is sorted; the others go with it.
    """

    product_ids: Ints
    category: Ints
    rank: Ints
    ranked: Ints
    sizes: Ints
    words: list[str]

    @classmethod
    def from_lines(cls, recent: Lines, sold: Ints, words_of: dict[int, str]) -> Shelves:
        """Shelves of all products in `recent` or `sold`, ranked by their lines in `recent` (ties: smaller id)."""
        product_ids = np.union1d(recent.product_id, sold)
        names = [words_of.get(product, _OTHER) for product in product_ids.tolist()]
        words, category = np.unique(np.array(names), return_inverse=True)
        orders = np.bincount(np.searchsorted(product_ids, recent.product_id), minlength=len(product_ids))
        order = np.lexsort((product_ids, -orders, category))
        counts = np.bincount(category, minlength=len(words))
        first = np.cumsum(counts) - counts
        rank = np.empty(len(product_ids), dtype=np.int64)
        rank[order] = np.arange(len(order)) - np.repeat(first, counts)
        sizes = np.minimum(counts, _SHELF_SIZE)
        slots = first[:, None] + np.minimum(np.arange(_SHELF_SIZE)[None, :], sizes[:, None] - 1)
        return cls(product_ids, category, rank, product_ids[order][slots], sizes, words.tolist())

    def category_of(self, products: Ints) -> Ints:
        """The category number of each product."""
        return self.category[np.searchsorted(self.product_ids, products)]

    def room_beside(self, products: Ints) -> Ints:
        """How many different neighbours each product has."""
        return self.sizes[self.category_of(products)] - 1

    def neighbour(self, products: Ints, step: Ints) -> Ints:
        """The product `step` (1 .. room) places further on the same shelf, going round; never the product itself."""
        row = np.searchsorted(self.product_ids, products)
        category = self.category[row]
        neighbours: Ints = self.ranked[category, (self.rank[row] + step) % self.sizes[category]]
        return neighbours
