"""Two roads and two engines, one result: stream against batch, Spark against Sail, compared row by row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
from deltalake import write_deltalake

from data_lake.catalog import (
    CUSTOMER_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    DAILY_CUSTOMER,
    DAILY_PRODUCT_SALES,
    DUPLICATE_EVENT,
    LATE_EVENT,
    PRODUCT,
    PRODUCT_COPURCHASE,
    PRODUCT_FEATURES,
    PROMOTION,
    SILVER_CLICK,
    SILVER_INVENTORY,
    SILVER_PAYMENT,
    TRANSACTION_LINE,
    Table,
)
from data_lake.compare import Differences, compare, read_table
from production_ops.proofs.result import ProofResult

SILVER_TABLES: Sequence[Table] = (
    SILVER_CLICK, TRANSACTION_LINE, SILVER_PAYMENT, SILVER_INVENTORY, LATE_EVENT, DUPLICATE_EVENT,
)  # fmt: skip
GOLD_TABLES: Sequence[Table] = (
    DAILY_CUSTOMER, DAILY_PRODUCT_SALES, CUSTOMER_FEATURES, PRODUCT_FEATURES, CUSTOMER_PRODUCT_FEATURES,
    PRODUCT_COPURCHASE,
)  # fmt: skip
FLOAT_RELATIVE = 1e-9


def link_beside(lake: Path, twin: Path) -> None:
    """A second lake that shares bronze and the dimensions with the first by links, and has a silver of its own."""
    (twin / "silver").mkdir(parents=True)
    (twin / "bronze").mkdir()
    for table in (lake / "bronze").iterdir():
        if table.name != "quarantine":
            (twin / "bronze" / table.name).symlink_to(table.resolve())
    for dimension in (PRODUCT, PROMOTION):
        (twin / "silver" / dimension.name).symlink_to((lake / "silver" / dimension.name).resolve())


def cut(lake: Path, target: Path, days: tuple[date, date]) -> None:
    """A lake of its own with the basket lines of `[first, end)` and a link to the products."""
    (target / "silver").mkdir(parents=True)
    (target / "silver" / PRODUCT.name).symlink_to((lake / "silver" / PRODUCT.name).resolve())
    inside = (pc.field("event_date") >= days[0]) & (pc.field("event_date") < days[1])
    lines = read_table(TRANSACTION_LINE, lake, inside)
    write_deltalake(TRANSACTION_LINE.path(target), lines, partition_by=list(TRANSACTION_LINE.partition_by))


def stream_equals_batch(lake: Path, twin: Path, days: tuple[date, date]) -> ProofResult:
    """The live days as the stream wrote them against the same days from bronze by the batch road."""
    inside = (pc.field("event_date") >= days[0]) & (pc.field("event_date") < days[1])
    found = {
        table.full_name: compare(read_table(table, lake, inside), read_table(table, twin, inside), table.key)
        for table in SILVER_TABLES
    }
    return _verdict("stream = batch", found)


def engines_agree(sail: Path, spark: Path) -> ProofResult:
    """Every gold table of one slice, built by Sail and by Apache Spark."""
    found = {
        table.full_name: compare(read_table(table, sail), read_table(table, spark), table.key, FLOAT_RELATIVE)
        for table in GOLD_TABLES
    }
    return _verdict("Spark = Sail (slice)", found)


def _verdict(name: str, found: dict[str, Differences]) -> ProofResult:
    rows = sum(d.left_rows for d in found.values())
    unequal = {table: d for table, d in found.items() if not d.equal}
    different = sum(d.only_left + d.only_right + d.changed + d.repeated_keys for d in unequal.values())
    return ProofResult(
        name=name,
        figure=f"{rows:,} rows of {len(found)} tables, {different:,} differ",
        bound="0 differ",
        passed=not unequal and rows > 0,
        findings=tuple(f"{table}: {str(d)[:400]}" for table, d in unequal.items()),
        numbers={"rows": rows, "differences": different},
    )
