"""All that ranking needs besides the customer, as one value: a request reads it once, so no answer mixes versions."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.core.product_table import ProductTable as OnlineTable
from ml_modeling.core.bundle import PopularityLists
from ml_modeling.core.candidates import PopularityTable
from ml_modeling.core.states import CopurchaseTable, FloatArray, IntArray, ProductTable
from model_serving.core.ranking import ModelRef
from model_serving.ports import Scorer, StockView

BoolArray = npt.NDArray[np.bool_]
NOTHING_HIDDEN = StockView()


@dataclass(frozen=True, slots=True)
class Model:
    """A verified model. `slope`: see `reasons.sensitivity`. `labels`: product id to (name, category).

    `live_weights`: of the second stage, None when the model has none and the shelf does not react to clicks.
    """

    ref: ModelRef
    checksum: str
    feature_names: tuple[str, ...]
    scorer: Scorer
    slope: FloatArray
    popularity: PopularityLists
    labels: Mapping[int, tuple[str, str]]
    live_weights: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Products:
    """The product table in the ranker's types, with this moment's stock. Masks are by product index."""

    as_of_day: int
    table: ProductTable
    copurchase: CopurchaseTable
    popularity: PopularityTable
    in_stock: BoolArray
    banned: BoolArray


@dataclass(frozen=True, slots=True)
class Store:
    """What the background refresh last read. `empty`: the online store answers and holds nothing."""

    table: OnlineTable | None = None
    stock: StockView = NOTHING_HIDDEN
    popularity: PopularityLists | None = None
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """One model with the products it ranks. `products` is None until the product table was read once.

    `popular` has (product id, share of baskets) over all segments, best first, without what may not be shown.
    """

    model: Model
    products: Products | None
    popular: tuple[tuple[int, float], ...]
    hidden: frozenset[int]
    store_is_empty: bool


def popular_overall(lists: PopularityLists, hidden: frozenset[int]) -> tuple[tuple[int, float], ...]:
    """Best sellers for a customer of unknown segment: mean share over the segments, ties to the smaller id."""
    ids, place = np.unique(lists.product_id, return_inverse=True)
    share = np.bincount(place.ravel(), weights=lists.score.ravel(), minlength=len(ids)) / max(len(lists.score), 1)
    order = np.argsort(-share, kind="stable")
    return tuple((int(ids[i]), float(share[i])) for i in order if int(ids[i]) not in hidden)


def build_products(online: OnlineTable, lists: PopularityLists, stock: StockView) -> Products:
    """The online product table as the ranker's arrays. About 10 ms for 70,000 products, so never on the hot path."""
    columns: dict[str, Any] = {f.name: _wide(online.columns[f.name]) for f in fields(ProductTable)}
    table = ProductTable(**columns)
    ids = table.product_id
    return Products(
        as_of_day=online.as_of_day,
        table=table,
        copurchase=compact_neighbours(online.neighbour_index, online.neighbour_score),
        popularity=lists.to_table(ids),
        in_stock=~_members(ids, stock.out_of_stock),
        banned=_members(ids, stock.banned),
    )


def compact_neighbours(neighbour_index: npt.NDArray[np.int32], score: npt.NDArray[np.float32]) -> CopurchaseTable:
    """The ranker's co-purchase table, over the few products that have neighbours, from the online one over all."""
    kept = np.flatnonzero((neighbour_index >= 0).any(axis=1))
    position = np.full(len(neighbour_index), -1, dtype=np.int64)
    position[kept] = np.arange(len(kept))
    rows = neighbour_index[kept]
    place = np.where(rows >= 0, position[rows], -1)
    return CopurchaseTable(
        product_index=kept,
        position=position,
        neighbour=np.where(place >= 0, place, len(kept)),
        score=np.where(place >= 0, score[kept], np.float32(0)),
    )


def build_shelf(model: Model, store: Store) -> Shelf:
    """The shelf of a model and what the store held last."""
    lists = store.popularity or model.popularity
    hidden = store.stock.out_of_stock | store.stock.banned
    products = build_products(store.table, lists, store.stock) if store.table is not None else None
    return Shelf(model, products, popular_overall(lists, hidden), hidden, store.empty)


class LiveShelf:
    """The shelf that serves now. Written by the background refreshes, read without a lock by requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._store = Store()
        self._current: Shelf | None = None

    @property
    def current(self) -> Shelf | None:
        """The shelf, None until a model was loaded."""
        return self._current

    def set_model(self, model: Model) -> None:
        """Let `model` serve from the next request on."""
        with self._lock:
            self._replace(model, self._store)

    def set_store(self, store: Store) -> None:
        """Let products, stock and best sellers serve from the next request on."""
        with self._lock:
            self._replace(self._model, store)

    def _replace(self, model: Model | None, store: Store) -> None:
        # Built before anything is assigned: a store that cannot be built leaves the old shelf in place.
        shelf = None if model is None else build_shelf(model, store)
        self._model, self._store, self._current = model, store, shelf


def _wide(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    return values


def _members(ids: IntArray, wanted: frozenset[int]) -> BoolArray:
    return np.isin(ids, np.fromiter(wanted, dtype=np.int64, count=len(wanted)))
