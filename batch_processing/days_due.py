"""From which day on a run has to compute: its interval's first one, or an earlier one that gold lacks.

A scheduler that stood still, or started in the middle of a week, skips days; gold adds up from day to day, so each day
after a skipped one would be wrong. Reads: the log of gold.customer_features, which has rows of every day since the
first order. Writes nothing; the last line is a JSON object for a scheduler to read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta

from rich.console import Console

from batch_processing.interval import Interval, interval_of, job_parser
from data_lake import tables
from data_lake.catalog import CUSTOMER_FEATURES
from data_lake.storage import LakeRoot, root_of
from shared_utils.cli import run_main
from shared_utils.settings import load_settings


def days_due(interval: Interval, lake_root: LakeRoot) -> Interval:
    """The interval, begun at the first day since gold's first one that gold has nothing of."""
    days = set(map(date.fromisoformat, tables.partition_values(CUSTOMER_FEATURES, lake_root, "event_date")))
    first = min(days, default=interval.start)
    while first in days and first < interval.start:
        first += timedelta(days=1)
    return Interval(min(first, interval.start), interval.end)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the days that are due."""
    due = days_due(interval_of(job_parser("days_due", __doc__).parse_args(argv)), root_of(load_settings()))
    answer = {"start": due.start, "end": due.end}
    Console(soft_wrap=True).print(json.dumps(answer, default=str), markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    run_main(main)
