"""All products in one blob: parallel arrays ordered by product id, with their co-purchase neighbours.

A recommender ranks hundreds of products a request, so it keeps this table in memory and polls its version; reading
products one by one from an online store costs 14-38 ms per hundred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from feature_store.core.catalogue import Catalogue, load_catalogue
from feature_store.core.packing import Array, Field, Header, RecordLayout, Stamp
from feature_store.core.stamps import day_of, instant_of
from shared_utils.errors import DataError

NEIGHBOURS = 20
NEIGHBOUR_COLUMNS = ("neighbour_count", "neighbour_index", "neighbour_score")
_NOT_ONLINE = frozenset({"day", "promo_week_start_day"})


def product_columns(catalogue: Catalogue | None = None) -> dict[str, np.dtype[np.generic]]:
    """Column name to dtype of the product table, in stored order: id, state, codes, this week's promotion."""
    known = catalogue or load_catalogue()
    features = (*known.view("product_features").features, *known.view("product_promotion").features)
    stored = {f.column: np.dtype(f.dtype) for f in features if f.column not in _NOT_ONLINE}
    return {"product_id": np.dtype("int64"), **stored}


def product_table_layout() -> RecordLayout:
    """The packed layout of the product table."""
    columns = [Field(name, str(dtype), True) for name, dtype in product_columns().items()]  # type: ignore[arg-type]
    neighbours = (
        Field("neighbour_count", "int32", True),
        Field("neighbour_index", "int32", True),
        Field("neighbour_score", "float32", True),
    )
    return RecordLayout("product_table", (*columns, *neighbours))


@dataclass(frozen=True, slots=True)
class ProductTable:
    """Every product sold up to a day, as the ranker holds it in memory.

    Shape: `columns` are `(products,)`, ordered by product id; `neighbour_index` and `neighbour_score` are
    `(products, 20)`, padded with -1 and 0; an index is a position in `product_id`. Same content, same `version`.
    """

    version: str
    event_timestamp_us: int
    created_timestamp_us: int
    columns: Mapping[str, Array]
    neighbour_index: npt.NDArray[np.int32]
    neighbour_score: npt.NDArray[np.float32]

    @property
    def features_as_of(self) -> datetime:
        """The close of the last day inside."""
        return instant_of(self.event_timestamp_us)

    @property
    def as_of_day(self) -> int:
        """Days before this epoch day are inside."""
        return day_of(self.event_timestamp_us)


def version_of(header: Header) -> str:
    """`<event us>-<created us>-<digest>`."""
    return f"{header.stamp.event_us}-{header.stamp.created_us}-{header.digest.hex()}"


def pack_product_table(stamp: Stamp, columns: Mapping[str, Array], neighbours: Mapping[str, Array]) -> bytes:
    """The blob of a product table.

    `neighbours` has `product_id`, `neighbour_product_id`, `score`, ordered by product and rank; rows that name a
    product outside `columns` are left out.

    Raises:
        DataError: the product ids are not strictly ascending, or a column does not have one value per product.
    """
    ids = np.asarray(columns["product_id"])
    if np.any(np.diff(ids) <= 0) or {len(columns[name]) for name in product_columns()} != {len(ids)}:
        raise DataError("The product table is not one row per product.", "Check gold product_features for its key.")
    row, index = _positions(ids, neighbours["product_id"]), _positions(ids, neighbours["neighbour_product_id"])
    inside = (row >= 0) & (index >= 0)
    lists = {
        "neighbour_count": np.bincount(row[inside], minlength=len(ids)).astype(np.int32),
        "neighbour_index": index[inside].astype(np.int32),
        "neighbour_score": np.asarray(neighbours["score"])[inside].astype(np.float32),
    }
    return product_table_layout().pack(stamp, {**columns, **lists})


def unpack_product_table(blob: bytes) -> ProductTable:
    """The product table of a blob. Raises DataError: truncated, damaged or of another layout."""
    layout = product_table_layout()
    if not layout.is_intact(blob):
        raise DataError("The product table is damaged.", "Run `python -m feature_store.materialize` again.")
    stamp, values = layout.unpack(blob)
    arrays = {field.name: np.asarray(value) for field, value in zip(layout.fields, values, strict=True)}
    count, index, score = (arrays.pop(name) for name in NEIGHBOUR_COLUMNS)
    return ProductTable(
        version_of(layout.header(blob)),
        *stamp,
        arrays,
        _dense(count, index, np.int32(-1)),
        _dense(count, score, np.float32(0)),
    )


def _positions(ids: Array, wanted: Array) -> npt.NDArray[np.int64]:
    place = np.searchsorted(ids, wanted)
    inside = place < len(ids)
    found = np.zeros(len(place), dtype=bool)
    found[inside] = ids[place[inside]] == np.asarray(wanted)[inside]
    return np.where(found, place, -1)


def _dense(count: Array, flat: Array, padding: np.generic) -> Array:
    table = np.full((len(count), NEIGHBOURS), padding)
    table[np.arange(NEIGHBOURS) < count[:, None]] = flat
    return table
