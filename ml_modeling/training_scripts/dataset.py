"""What a training reads: point-in-time states of gold, order lines of silver, snapshots that rank candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from data_lake.catalog import TRANSACTION_LINE
from data_lake.storage import root_of
from feature_store.snapshots import take_snapshots
from ml_modeling.core.candidates import PopularityTable, build_popularity, segment_of
from ml_modeling.core.splits import Baskets
from ml_modeling.core.states import CopurchaseTable, IntArray
from ml_modeling.core.training_set import CustomerSource, PointInTime, Snapshot
from ml_modeling.gold_source import GoldSource, load_gold
from ml_modeling.order_lines import SilverLines, read_order_lines
from shared_utils.errors import DataError
from shared_utils.settings import Settings

TRAINING_WEEKS = 10
POPULARITY_DAYS = 28
_SEGMENTS = 4


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything a training reads, with the table versions that pin it."""

    gold: GoldSource
    silver: SilverLines
    baskets: Baskets
    source: PointInTime
    versions: Mapping[str, int]


def load_dataset(settings: Settings, versions: Mapping[str, int] | None = None) -> Dataset:
    """Read gold and silver, pinned to `versions` (by table name, as `Dataset.versions`) or to their newest ones.

    Raises:
        DataError: a table is missing or empty.
    """
    pinned = versions or {}
    snapshots = take_snapshots(root_of(settings), settings.run_dir, pinned)
    gold = load_gold(snapshots)
    silver = read_order_lines(
        root_of(settings), gold.customer_ids, gold.product_ids, version=pinned.get(TRANSACTION_LINE.name)
    )
    source = PointInTime(
        gold.pairs, gold.products, gold.customers, rank_snapshots(gold.customers, gold.copurchase, silver)
    )
    return Dataset(
        gold,
        silver,
        Baskets.from_lines(silver.lines),
        source,
        {**snapshots.versions, TRANSACTION_LINE.name: silver.version},
    )


def rank_snapshots(
    customers: CustomerSource, copurchase: Mapping[int, CopurchaseTable], silver: SilverLines
) -> dict[int, Snapshot]:
    """Co-purchase and best sellers of every snapshot day."""
    if not copurchase:
        raise DataError("There is no co-purchase snapshot.", "Run output_to_gold over the training weeks.")
    return {day: Snapshot(table, popularity_at(customers, silver, day)) for day, table in copurchase.items()}


def popularity_at(customers: CustomerSource, silver: SilverLines, day: int) -> PopularityTable:
    """Best sellers of each segment in the four weeks before `day`; only customers who bought then count."""
    known = silver.known_at(day)
    recent = known.where(known.day >= day - POPULARITY_DAYS)
    buyers, owner = np.unique(recent.customer_index, return_inverse=True)
    segment = np.array([segment_of(customers.at(int(buyer), day)) for buyer in buyers], dtype=np.int64)[owner]
    _, first = np.unique(recent.basket_index, return_index=True)
    baskets = np.bincount(segment[first], minlength=_SEGMENTS)
    return build_popularity(segment, recent.product_index, baskets, len(silver.product_ids))


def weekly_days(cutoff: date, weeks: int) -> IntArray:
    """The epoch days `weeks` Mondays back from `cutoff`, ascending, without `cutoff` itself."""
    last = (cutoff - date(1970, 1, 1)).days
    return np.arange(last - 7 * weeks, last, 7)
