"""Whether bronze holds all that arrived before a day: each table has rows of that day or of a later one.

Reads: the tables' logs. Writes nothing; the last line is a JSON object for a scheduler to read.
The stream appends in order of arrival, so a row of the next day says that the day before is complete.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import date

from rich.console import Console

from data_lake import tables
from data_lake.catalog import TABLES, Table
from data_lake.storage import LakeRoot, root_of
from shared_utils.cli import run_main
from shared_utils.settings import load_settings

BRONZE: Mapping[str, Table] = {table.full_name: table for table in TABLES if table.partition_by == ("ingest_date",)}


def last_arrivals(wanted: Sequence[Table], lake_root: LakeRoot) -> dict[str, date | None]:
    """The last day on which each table received rows; None before its first."""
    return {table.full_name: _last_day(table, lake_root) for table in wanted}


def landed(arrivals: Mapping[str, date | None], until: date) -> bool:
    """Whether every table has received rows on `until` or later."""
    return all(day is not None and day >= until for day in arrivals.values())


def _last_day(table: Table, lake_root: LakeRoot) -> date | None:
    days = tables.partition_values(table, lake_root, "ingest_date")
    return max(map(date.fromisoformat, days), default=None)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is there and whether it is enough."""
    parser = argparse.ArgumentParser(prog="python -m data_lake.arrivals", description=__doc__)
    parser.add_argument("--until", type=date.fromisoformat, required=True, help="the day after the interval, UTC")
    parser.add_argument("--table", action="append", required=True, choices=sorted(BRONZE), help="repeatable")
    arguments = parser.parse_args(argv)
    arrivals = last_arrivals([BRONZE[name] for name in arguments.table], root_of(load_settings()))
    answer = {"landed": landed(arrivals, arguments.until), "last_arrivals": arrivals}
    Console(soft_wrap=True).print(json.dumps(answer, default=str), markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    run_main(main)
