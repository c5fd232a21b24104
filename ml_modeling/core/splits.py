"""Time splits: who is asked, as of which day, and what the next basket held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_modeling.core.replay import OrderLines
from ml_modeling.core.states import IntArray


@dataclass(frozen=True, slots=True)
class Queries:
    """Next-basket questions. Shape: `(queries,)` each; `truth[i]` holds the product indices of the basket.

    A query may use rows with `day < as_of_day` only; `basket_day >= as_of_day`. `later[i]` holds the products of the
    baskets after the truth (one entry a basket line), which training uses as weaker labels; empty in a test split.
    """

    customer_index: IntArray
    as_of_day: IntArray
    basket_day: IntArray
    truth: tuple[IntArray, ...]
    later: tuple[IntArray, ...]

    def __len__(self) -> int:
        return len(self.customer_index)

    def take(self, positions: IntArray) -> Queries:
        """The queries at `positions`, in that order."""
        return Queries(
            self.customer_index[positions],
            self.as_of_day[positions],
            self.basket_day[positions],
            tuple(self.truth[int(position)] for position in positions),
            tuple(self.later[int(position)] for position in positions),
        )


@dataclass(frozen=True, slots=True)
class Baskets:
    """Baskets ordered by customer, day, basket. Shape: `(baskets,)`; `products` is flat, cut by `start`."""

    customer_index: IntArray
    day: IntArray
    start: IntArray
    products: IntArray

    @classmethod
    def from_lines(cls, lines: OrderLines) -> Baskets:
        """Group lines to baskets; `basket_index` must grow with time inside a customer's day."""
        order = np.lexsort((lines.product_index, lines.basket_index, lines.day, lines.customer_index))
        basket = lines.basket_index[order]
        start = np.flatnonzero(np.append(True, basket[1:] != basket[:-1]))
        return cls(
            lines.customer_index[order][start],
            lines.day[order][start],
            np.append(start, len(order)),
            lines.product_index[order],
        )

    def items(self, position: int) -> IntArray:
        """Product indices of one basket, ascending."""
        return self.products[self.start[position] : self.start[position + 1]]

    def before(self, end_day: int) -> Baskets:
        """The baskets of days before `end_day`."""
        kept = self.day < end_day
        size = np.diff(self.start)
        return Baskets(
            self.customer_index[kept],
            self.day[kept],
            np.append(0, np.cumsum(size[kept])),
            self.products[np.repeat(kept, size)],
        )

    def days_before(self) -> IntArray:
        """Per basket, how many earlier days of the customer hold a basket. Shape: `(baskets,)`."""
        key = self.customer_index * 100_000 + self.day
        _, day_rank = np.unique(key, return_inverse=True)
        first = np.searchsorted(self.customer_index, self.customer_index)
        earlier: IntArray = day_rank - day_rank[first]
        return earlier


def _queries(baskets: Baskets, positions: IntArray, as_of_day: IntArray, later_baskets: int = 0) -> Queries:
    end = np.searchsorted(baskets.customer_index, baskets.customer_index[positions], side="right")
    last = np.minimum(positions + 1 + later_baskets, end)
    return Queries(
        baskets.customer_index[positions],
        as_of_day,
        baskets.day[positions],
        tuple(baskets.items(int(position)) for position in positions),
        tuple(
            baskets.products[baskets.start[begin + 1] : baskets.start[stop]]
            for begin, stop in zip(positions, last, strict=True)
        ),
    )


def last_basket_split(baskets: Baskets, *, min_days_before: int = 5) -> Queries:
    """Each household's last basket, asked on its own day; households with fewer earlier shopping days stay out."""
    last = np.flatnonzero(np.append(baskets.customer_index[1:] != baskets.customer_index[:-1], True))
    last = last[baskets.days_before()[last] >= min_days_before]
    return _queries(baskets, last, baskets.day[last])


def global_split(baskets: Baskets, cutoff_day: int, *, min_days_before: int = 5, later_baskets: int = 0) -> Queries:
    """Each household's first basket on or after `cutoff_day`, asked as of `cutoff_day`."""
    after = np.flatnonzero(baskets.day >= cutoff_day)
    _, first = np.unique(baskets.customer_index[after], return_index=True)
    positions = after[first]
    positions = positions[baskets.days_before()[positions] >= min_days_before]
    return _queries(baskets, positions, np.full(len(positions), cutoff_day), later_baskets)


def basket_day_queries(
    baskets: Baskets, begin_day: int, end_day: int, *, min_days_before: int = 5, later_baskets: int = 0
) -> Queries:
    """Every basket of `begin_day <= day < end_day`, asked on its own day.

    Pass baskets that end before the cutoff (or before each household's last basket), so that no label is younger.
    """
    chosen = (baskets.day >= begin_day) & (baskets.day < end_day) & (baskets.days_before() >= min_days_before)
    positions = np.flatnonzero(chosen)
    return _queries(baskets, positions, baskets.day[positions], later_baskets)


def grid_queries(
    baskets: Baskets,
    as_of_days: IntArray,
    *,
    label_end_day: int,
    max_gap_days: int | None = None,
    min_days_before: int = 5,
    later_baskets: int = 0,
) -> Queries:
    """Global splits at several days; no label comes from a basket on or after `label_end_day`.

    `max_gap_days` drops the questions whose basket came more days after `as_of_day`: None keeps all.
    """
    known = baskets.before(label_end_day)
    questions = joined(
        [
            global_split(known, int(day), min_days_before=min_days_before, later_baskets=later_baskets)
            for day in as_of_days
        ]
    )
    if max_gap_days is None:
        return questions
    return questions.take(np.flatnonzero(questions.basket_day - questions.as_of_day <= max_gap_days))


def joined(parts: Sequence[Queries]) -> Queries:
    """Several sets of queries as one."""
    return Queries(
        np.concatenate([part.customer_index for part in parts]),
        np.concatenate([part.as_of_day for part in parts]),
        np.concatenate([part.basket_day for part in parts]),
        tuple(truth for part in parts for truth in part.truth),
        tuple(later for part in parts for later in part.later),
    )
