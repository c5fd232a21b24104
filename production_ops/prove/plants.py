"""What is broken, each as a change to a copy of one table, to training rows or to an offline snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from shutil import copytree

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from data_lake.catalog import CUSTOMER_FEATURES, CUSTOMER_PRODUCT_FEATURES, SILVER_CLICK, Table
from feature_store.core.catalogue import load_catalogue
from feature_store.snapshots import Snapshots, connect, write_parquet
from ml_modeling.core.training_set import RankerRows


@dataclass(frozen=True, slots=True)
class Planting:
    """A fault in one table: `plant` gets the folder of a copy of it."""

    table: Table
    plant: Callable[[str], None]


def planted_lake(lake: Path, target: Path, planting: Planting) -> Path:
    """A lake that shares every table with `lake` by links, but for a spoiled copy of one."""
    own = Path(planting.table.path(target))
    for table in lake.glob("*/*/"):
        link = target / table.relative_to(lake)
        link.parent.mkdir(parents=True, exist_ok=True)
        if link != own:
            link.symlink_to(table.resolve())
    copytree(planting.table.path(lake), own)
    planting.plant(str(own))
    return target


def _lose_an_event(folder: str) -> None:
    click = DeltaTable(folder).to_pyarrow_table(columns=["kafka_partition", "kafka_offset"])
    partition, offset = (click[name][len(click) // 2].as_py() for name in click.column_names)
    DeltaTable(folder).delete(f"kafka_partition = {partition} AND kafka_offset = {offset}")


def _write_a_batch_twice(folder: str) -> None:
    """The rows of one data file once more, as a sink without a transaction id writes them after a crash."""
    rows = DeltaTable(folder).to_pyarrow_dataset()
    batch = next(iter(rows.get_fragments()))
    write_deltalake(folder, batch.to_table(schema=rows.schema), mode="append")


def _change(folder: str, change: Callable[[pa.Table], pa.Table]) -> None:
    write_deltalake(folder, change(DeltaTable(folder).to_pyarrow_table()), mode="overwrite")


def _with(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def _stamp_an_hour_late(folder: str) -> None:
    _change(folder, lambda t: _with(t, "event_timestamp", pc.add(t["event_timestamp"], timedelta(hours=1))))


def _cents_to_dollars(folder: str) -> None:
    _change(folder, lambda t: _with(t, "spend_cents_28d", pc.divide(t["spend_cents_28d"], 100)))


def _fill_with_a_default(folder: str) -> None:
    _change(folder, lambda t: _with(t, "quantity_sum", pa.chunked_array([pa.array(np.ones(len(t)), pa.int64())])))


def _know_tomorrow(folder: str) -> None:
    """Each row is stamped a day early: what a day holds is known on its morning."""

    def early(table: pa.Table) -> pa.Table:
        for name in ("event_timestamp", "created_timestamp"):
            table = _with(table, name, pc.subtract(table[name], timedelta(days=1)))
        return table

    _change(folder, early)


LOST_EVENT = Planting(SILVER_CLICK, _lose_an_event)
DUPLICATED_BATCH = Planting(SILVER_CLICK, _write_a_batch_twice)
SKEWED_CLOCK = Planting(CUSTOMER_FEATURES, _stamp_an_hour_late)
CHANGED_UNIT = Planting(CUSTOMER_FEATURES, _cents_to_dollars)
DEFAULT_FILLED = Planting(CUSTOMER_PRODUCT_FEATURES, _fill_with_a_default)
LEAKED_FUTURE = Planting(CUSTOMER_FEATURES, _know_tomorrow)


def leaking_snapshots(snapshots: Snapshots, folder: Path) -> Snapshots:
    """Offline snapshots in which each customer's row carries the values of the customer's next day."""
    view = load_catalogue().view(CUSTOMER_FEATURES.name)
    following = ", ".join(
        f"coalesce(lead({name}) OVER (PARTITION BY customer_id ORDER BY event_timestamp), {name}) AS {name}"
        for name in view.feature_names
    )
    path = folder / f"{view.name}.parquet"
    with connect() as con:
        source = snapshots.paths[view.name]
        write_parquet(con, f"SELECT * REPLACE ({following}) FROM read_parquet('{source}')", path)  # noqa: S608
    return replace(snapshots, paths={**snapshots.paths, view.name: path})


def shuffled_labels(rows: RankerRows) -> RankerRows:
    """The same rows with their labels in a random order: nothing is left to learn."""
    return replace(rows, label=np.random.default_rng(7).permutation(rows.label))
