"""Whether an interval's gold agrees with its silver; the last thing before anything leaves the lake.

Reads: silver.transaction_line, gold.{daily_customer, daily_product_sales, customer_features}; by DuckDB, so that no
engine checks its own work. Writes nothing. Grain: one finding per check and day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import structlog

from batch_processing.interval import Interval, interval_of, job_parser
from data_lake import tables
from data_lake.catalog import CUSTOMER_FEATURES, DAILY_CUSTOMER, DAILY_PRODUCT_SALES, TRANSACTION_LINE, Table
from data_lake.storage import LakeRoot, root_of
from shared_utils.cli import run_main
from shared_utils.errors import DataError, ProofFailedError
from shared_utils.settings import load_settings

log = structlog.get_logger(__name__)

_TABLES: Final[tuple[Table, ...]] = (TRANSACTION_LINE, DAILY_CUSTOMER, DAILY_PRODUCT_SALES, CUSTOMER_FEATURES)
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong on a day: the figure that should be, and the one that is."""

    check: str
    day: str
    expected: int
    found: int

    def __str__(self) -> str:
        return f"{self.day} {self.check}: {self.found} instead of {self.expected}"


def findings(lake_root: LakeRoot, interval: Interval) -> list[Finding]:
    """Everything that is wrong in the interval.

    Raises:
        DataError: a table does not exist.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in _TABLES:
            if not tables.exists(table, lake_root):
                raise DataError(f"{table.full_name} does not exist.", "Run the job that writes it first.")
            connection.register(table.name, tables.open_delta(table, lake_root).to_pyarrow_dataset())
        connection.execute(_DAYS, [interval.start, interval.end])
        return [finding for name, query in CHECKS.items() for finding in _ask(connection, name, query)]


def _ask(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> Iterator[Finding]:
    rows = connection.execute(f"SELECT * FROM ({query}) WHERE expected <> found ORDER BY day").fetchall()  # noqa: S608
    return (Finding(name, str(day), int(expected), int(found)) for day, expected, found in rows)


_DAYS: Final = """
CREATE TEMP TABLE days AS
SELECT unnest(generate_series($1::DATE, $2::DATE - 1, INTERVAL 1 DAY))::DATE AS day
"""


def _repeated(table: Table) -> str:
    key = ", ".join(table.key)
    return f"""
        SELECT event_date AS day, count(DISTINCT ({key})) AS expected, count(*) AS found
        FROM {table.name} WHERE event_date IN (SELECT day FROM days) GROUP BY event_date
    """  # noqa: S608 (catalogue names)


def _spend(table: Table) -> str:
    return f"""
        SELECT day, coalesce(expected, 0) AS expected, coalesce(found, 0) AS found FROM days
        LEFT JOIN (SELECT event_date AS day, sum(sales_cents) AS expected FROM transaction_line GROUP BY 1) USING (day)
        LEFT JOIN (SELECT event_date AS day, sum(spend_cents) AS found FROM {table.name} GROUP BY 1) USING (day)
    """  # noqa: S608 (catalogue names)


CHECKS: Final[Mapping[str, str]] = {
    "days without a basket": """
        SELECT day, 0 AS expected, 1 AS found FROM days
        WHERE day NOT IN (SELECT DISTINCT event_date FROM transaction_line)
    """,
    **{f"rows of {table.full_name}, each key once": _repeated(table) for table in _TABLES},
    **{f"cents of {table.full_name}": _spend(table) for table in (DAILY_CUSTOMER, DAILY_PRODUCT_SALES)},
    "customers with features": """
        SELECT day, coalesce(expected, 0) AS expected, coalesce(found, 0) AS found FROM days
        LEFT JOIN (
            SELECT days.day AS day, count(*) AS expected FROM days
            JOIN (SELECT customer_id, min(event_date) AS first_day FROM transaction_line GROUP BY 1)
                ON first_day <= days.day GROUP BY 1
        ) USING (day)
        LEFT JOIN (SELECT event_date AS day, count(*) AS found FROM customer_features GROUP BY 1) USING (day)
    """,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Check the interval.

    Raises:
        ProofFailedError: something is wrong; the message names the first findings.
    """
    interval = interval_of(job_parser("check_interval", __doc__).parse_args(argv))
    wrong = findings(root_of(load_settings()), interval)
    if wrong:
        first = "; ".join(map(str, wrong[:_NAMED]))
        raise ProofFailedError(
            f"{len(wrong)} findings in {interval.start}..{interval.end}: {first}.",
            "Run the interval's jobs again, from silver on; see runbooks/etl_clickstream.md.",
        )
    log.info("interval_checked", start=str(interval.start), end=str(interval.end), checks=len(CHECKS))
    return 0


if __name__ == "__main__":
    run_main(main)
