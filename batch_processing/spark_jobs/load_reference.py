"""Load the product dimension and the promotion plan of Complete Journey into silver.

Reads: the products and promotions of the installed package.
Writes: silver.product (whole), silver.promotion (the weeks that touch the interval).
Grain: a product; a product x store x week. DuckDB streams Arrow into Delta: 20.9 M rows are no work for a row loop.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import duckdb
import pyarrow as pa
import structlog
from deltalake import write_deltalake

from batch_processing.interval import Interval, interval_of, job_parser
from data_lake import tables
from data_lake.catalog import PRODUCT, PROMOTION
from data_lake.storage import LakeRoot, root_of, storage_options
from data_sources.calendar import Calendar
from data_sources.complete_journey import SourceTable, table_path
from shared_utils.cli import run_main
from shared_utils.settings import Settings, load_settings

log = structlog.get_logger(__name__)

_ROWS_PER_BATCH: Final = 500_000
_PRODUCTS_SQL: Final = """
SELECT product_id, manufacturer_id, department, brand, product_category, product_type, package_size
FROM read_parquet($path) ORDER BY product_id
"""
_PROMOTIONS_SQL: Final = """
SELECT product_id, store_id, ($week_zero::DATE + (week * 7)::INTEGER) AS week_start,
    max(display_location) AS display_location, max(mailer_location) AS mailer_location
FROM read_parquet($path)
WHERE ($week_zero::DATE + (week * 7)::INTEGER) >= $start AND ($week_zero::DATE + (week * 7)::INTEGER) < $end
GROUP BY ALL
"""


def products(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Rows of silver.product, in order of product_id."""
    parameters = {"path": str(table_path(SourceTable.PRODUCTS))}
    rows: pa.Table = connection.sql(_PRODUCTS_SQL, params=parameters).to_arrow_table()
    return rows


def promotions(connection: duckdb.DuckDBPyConnection, calendar: Calendar, interval: Interval) -> pa.RecordBatchReader:
    """Rows of silver.promotion for the weeks whose Monday lies in the interval.

    A product that a store's week lists twice keeps the larger code of each place, so that the key is one row.
    """
    parameters = {
        "path": str(table_path(SourceTable.PROMOTIONS)),
        "week_zero": calendar.week_start(0),
        "start": interval.start,
        "end": interval.end,
    }
    return connection.sql(_PROMOTIONS_SQL, params=parameters).to_arrow_reader(_ROWS_PER_BATCH)


def parse(argv: Sequence[str] | None) -> Namespace:
    """The job's arguments."""
    return job_parser("spark_jobs.load_reference", __doc__).parse_args(argv)


def run(arguments: Namespace, settings: Settings) -> None:
    """Overwrite the product dimension and the promotion weeks that touch the interval."""
    # A day's week started up to six days (and the shop's five hours) before it.
    interval = interval_of(arguments).widened(before=7)
    calendar = Calendar.from_settings(settings.calendar)
    with duckdb.connect() as connection:
        root = root_of(settings)
        known = products(connection)
        write_deltalake(PRODUCT.path(root), known, mode="overwrite", storage_options=storage_options(root))
        _write_promotions(promotions(connection, calendar, interval), root, interval)
    log.info("reference_loaded", first_week=str(interval.start), shift_weeks=calendar.shift // timedelta(weeks=1))


def main(argv: Sequence[str] | None = None) -> int:
    """Load products and promotions."""
    run(parse(argv), load_settings())
    return 0


def _write_promotions(rows: pa.RecordBatchReader, root: LakeRoot, interval: Interval) -> None:
    path, options = PROMOTION.path(root), storage_options(root)
    if tables.exists(PROMOTION, root):
        condition = interval.predicate("week_start")
        write_deltalake(path, rows, mode="overwrite", predicate=condition, storage_options=options)
    else:
        partitions = list(PROMOTION.partition_by)
        write_deltalake(path, rows, mode="append", partition_by=partitions, storage_options=options)


if __name__ == "__main__":
    run_main(main)
