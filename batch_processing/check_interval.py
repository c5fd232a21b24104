"""Whether an interval's gold agrees with its silver; the last thing before anything leaves the lake.

Reads: silver.transaction_line and the gold tables of `expected_gold`; by DuckDB, so that no engine checks its own
work. Writes nothing. Grain: one finding per check and day.

A day without a basket is one on which the shop was closed, or one that was lost. Bronze tells: a closed day has its
clicks, its stock or its place inside an archive, but no basket that was accepted. So for such days alone it reads
bronze.{transaction, click, payment, inventory, quarantine} and silver.{late_event, duplicate_event} too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import structlog

from batch_processing.expected_gold import EXPECTED, FACTS
from batch_processing.interval import Interval, interval_of, job_parser
from contracts.topics_names import SHOP_TOPICS, TRANSACTION
from data_lake import tables
from data_lake.catalog import (
    BRONZE_OF_TOPIC,
    DUPLICATE_EVENT,
    LATE_EVENT,
    QUARANTINE,
    SOURCE_KAFKA,
    TRANSACTION_LINE,
    Table,
)
from data_lake.storage import LakeRoot, root_of
from shared_utils.cli import run_main
from shared_utils.errors import DataError, ProofFailedError
from shared_utils.settings import load_settings

log = structlog.get_logger(__name__)

_TABLES: Final[tuple[Table, ...]] = (TRANSACTION_LINE, *EXPECTED)
# Where a basket that bronze holds may be instead of in silver.
_SET_ASIDE: Final[tuple[Table, ...]] = (QUARANTINE, LATE_EVENT, DUPLICATE_EVENT)
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


def findings(lake_root: LakeRoot, interval: Interval, *, horizon_days: int) -> list[Finding]:
    """Everything that is wrong in the interval.

    `horizon_days` is how many days before or after its own one an event may have arrived.

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
        connection.execute(FACTS)
        connection.execute(_RECEIVED)
        if connection.execute("SELECT day FROM idle").fetchall():
            _read_received(connection, lake_root, interval.widened(before=horizon_days, after=horizon_days))
        return [finding for name, query in CHECKS.items() for finding in _ask(connection, name, query)]


def _read_received(connection: duckdb.DuckDBPyConnection, lake_root: LakeRoot, arrivals: Interval) -> None:
    """What bronze holds of the days without a basket, and whether it has another place than silver."""
    for table in filter(lambda table: tables.exists(table, lake_root), _SET_ASIDE):
        connection.register("aside", tables.open_delta(table, lake_root).to_pyarrow_dataset())
        connection.execute('INSERT INTO set_aside SELECT topic, partition, "offset" FROM aside')
    for topic in SHOP_TOPICS:
        table = BRONZE_OF_TOPIC[topic]
        if tables.exists(table, lake_root):
            connection.register("arrived", tables.open_delta(table, lake_root).to_pyarrow_dataset())
            connection.execute(_OF_STREAMS, [arrivals.start, arrivals.end])
            connection.execute(_OF_ARCHIVES, {"stream": SOURCE_KAFKA})


def _ask(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> Iterator[Finding]:
    rows = connection.execute(f"SELECT * FROM ({query}) WHERE expected <> found ORDER BY day").fetchall()  # noqa: S608
    return (Finding(name, str(day), int(expected), int(found)) for day, expected, found in rows)


_DAYS: Final = """
CREATE TEMP TABLE days AS
SELECT unnest(generate_series($1::DATE, $2::DATE - 1, INTERVAL 1 DAY))::DATE AS day
"""

_RECEIVED: Final = """
CREATE TEMP TABLE idle AS SELECT day FROM days WHERE day NOT IN (SELECT DISTINCT event_date FROM transaction_line);
CREATE TEMP TABLE set_aside (topic VARCHAR, partition INTEGER, "offset" BIGINT);
CREATE TEMP TABLE received (topic VARCHAR, partition INTEGER, "offset" BIGINT, day DATE);
CREATE TEMP TABLE archived (day DATE)
"""

# Bronze holds what was received, be it JSON or not: what has no readable event time is of no day.
_OF_STREAMS: Final = """
INSERT INTO received
SELECT topic, partition, "offset", event_day FROM (
    SELECT topic, partition, "offset",
        try(json_extract_string(decode(value, 'replace'), '$.event_time')::TIMESTAMPTZ::DATE) AS event_day
    FROM arrived WHERE ingest_date >= $1 AND ingest_date < $2
) WHERE event_day IN (SELECT day FROM idle)
"""

# An archive is loaded as a whole: a day without a line between its first and its last one is no lost day.
_OF_ARCHIVES: Final = """
INSERT INTO archived
SELECT day FROM idle
JOIN (SELECT min(ingest_date) AS first, max(ingest_date) AS last FROM arrived WHERE source <> $stream GROUP BY source)
    ON day BETWEEN first AND last
"""


def _unlike(table: Table) -> str:
    """How many keys of a day have another row in gold than they should have, or in one of the two alone."""
    columns = EXPECTED[table].columns
    key = ", ".join(name for name in table.key if name in columns)
    held = f"SELECT {', '.join(columns)} FROM {table.name} WHERE event_date IN (SELECT day FROM days)"  # noqa: S608
    return f"""
        WITH given AS MATERIALIZED ({EXPECTED[table].query}), held AS MATERIALIZED ({held})
        SELECT event_date AS day, 0 AS expected, count(DISTINCT ({key})) AS found FROM (
            (FROM given EXCEPT ALL FROM held) UNION ALL (FROM held EXCEPT ALL FROM given)
        ) GROUP BY event_date
    """  # noqa: S608 (names of the catalogue and of a module)


CHECKS: Final[Mapping[str, str]] = {
    "days before it, since gold's first one, with features": """
        SELECT before.day::DATE AS day, 1 AS expected, 0 AS found FROM (
            SELECT unnest(generate_series(min(event_date), (SELECT min(day) - 1 FROM days), INTERVAL 1 DAY)) AS day
            FROM customer_features
        ) AS before WHERE before.day NOT IN (SELECT DISTINCT event_date FROM customer_features)
    """,
    "days of which bronze holds an event": """
        SELECT day, 1 AS expected, 0 AS found FROM idle
        WHERE day NOT IN (SELECT day FROM received UNION ALL SELECT day FROM archived)
    """,
    "baskets of bronze without a place": f"""
        SELECT day, 0 AS expected, count(*) AS found
        FROM received ANTI JOIN set_aside USING (topic, partition, "offset")
        WHERE topic = '{TRANSACTION}' GROUP BY day
    """,  # noqa: S608 (a topic's name)
    f"rows of {TRANSACTION_LINE.full_name}, each key once": f"""
        SELECT event_date AS day, count(DISTINCT ({", ".join(TRANSACTION_LINE.key)})) AS expected, count(*) AS found
        FROM transaction_line WHERE event_date IN (SELECT day FROM days) GROUP BY event_date
    """,  # noqa: S608 (catalogue names)
    **{f"rows of {table.full_name} that are not what silver gives": _unlike(table) for table in EXPECTED},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Check the interval.

    Raises:
        ProofFailedError: something is wrong; the message names the first findings.
    """
    interval = interval_of(job_parser("check_interval", __doc__).parse_args(argv))
    settings = load_settings()
    wrong = findings(root_of(settings), interval, horizon_days=settings.lake.id_horizon_days)
    if wrong:
        first = "; ".join(map(str, wrong[:_NAMED]))
        raise ProofFailedError(
            f"{len(wrong)} findings in {interval.start}..{interval.end}: {first}.",
            "Run the jobs again from the first of these days on, from silver on; see runbooks/etl_clickstream.md.",
        )
    log.info("interval_checked", start=str(interval.start), end=str(interval.end), checks=len(CHECKS))
    return 0


if __name__ == "__main__":
    run_main(main)
