"""Whether bronze holds all of the days before a day that silver will ever take by itself.

An event may arrive `lake.allowed_lateness_seconds` after it happened and still belong to silver; what comes later is
set aside. The stream appends in order of arrival, so a row that arrived that long after midnight says that the day
before is complete. Reads: the tables' logs, and the arrival times of the last day in each. Writes nothing; the last
line is a JSON object for a scheduler to read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import pyarrow.compute as pc
from rich.console import Console

from data_lake import tables
from data_lake.catalog import TABLES, Table
from data_lake.storage import LakeRoot, root_of
from shared_utils.cli import run_main
from shared_utils.settings import load_settings

BRONZE: Mapping[str, Table] = {table.full_name: table for table in TABLES if table.partition_by == ("ingest_date",)}


def last_arrivals(wanted: Sequence[Table], lake_root: LakeRoot) -> dict[str, datetime | None]:
    """When the last row of each table arrived; None before its first."""
    return {table.full_name: _last_arrival(table, lake_root) for table in wanted}


def complete_at(until: date, allowed_lateness_seconds: int) -> datetime:
    """From which arrival on no event of a day before `until` may come."""
    return datetime.combine(until, time(), UTC) + timedelta(seconds=allowed_lateness_seconds)


def landed(arrivals: Mapping[str, datetime | None], complete: datetime) -> bool:
    """Whether every table has received rows at `complete` or later."""
    return all(last is not None and last >= complete for last in arrivals.values())


def _last_arrival(table: Table, lake_root: LakeRoot) -> datetime | None:
    days = tables.partition_values(table, lake_root, "ingest_date")
    if not days:
        return None
    dataset = tables.open_delta(table, lake_root).to_pyarrow_dataset()
    last_day = pc.field("ingest_date") == date.fromisoformat(max(days))
    last: datetime = pc.max(dataset.to_table(columns=["arrival_time"], filter=last_day)["arrival_time"]).as_py()
    return last


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is there and whether it is enough."""
    parser = argparse.ArgumentParser(prog="python -m data_lake.arrivals", description=__doc__)
    parser.add_argument("--until", type=date.fromisoformat, required=True, help="the day after the interval, UTC")
    parser.add_argument("--table", action="append", required=True, choices=sorted(BRONZE), help="repeatable")
    arguments = parser.parse_args(argv)
    settings = load_settings()
    arrivals = last_arrivals([BRONZE[name] for name in arguments.table], root_of(settings))
    complete = complete_at(arguments.until, settings.lake.allowed_lateness_seconds)
    answer = {
        "landed": landed(arrivals, complete),
        "complete_at": complete.isoformat(),
        "last_arrivals": {name: last and last.isoformat() for name, last in arrivals.items()},
    }
    Console(soft_wrap=True).print(json.dumps(answer), markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    run_main(main)
