"""Write the click archive: what visitors did in the weeks before the live ones, one gzipped NDJSON file a UTC day.

Reads: the Complete Journey data. Writes: `DIR/day=YYYY-MM-DD/clicks.ndjson.gz`.
Grain: one `shop.click.v1` event a line, around the baskets of those weeks as in the live ones. Bytes depend on the
calendar and the seed alone. A stack that has no live weeks behind it learns from these how visitors choose.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from data_sources.calendar import Calendar
from data_sources.day_files import remove_day_files, write_day_file
from data_sources.events import Events
from data_sources.replay import build_clicks
from data_sources.user_activity.archive import CLICK_ARCHIVE_FILE, PAST_WEEKS
from shared_utils.cli import run_main
from shared_utils.settings import load_settings
from shared_utils.time_utils import day_start

_DAY_MS: Final = 86_400_000


def past_clicks(calendar: Calendar, *, limit_customers: int | None = None, seed: int) -> Events:
    """The clicks of the weeks before the live ones, in the order of their event times.

    The seed is another one than that of the live weeks: event ids are taken from it.
    """
    past = replace(calendar, live_start=calendar.live_start - timedelta(weeks=PAST_WEEKS), live_end=calendar.live_start)
    events = build_clicks(past, seed + 1, limit_customers=limit_customers)
    return events.take(np.argsort(events.event_ms, kind="stable"))


def write_archive(out: Path, events: Events) -> int:
    """Write the events under `out`, which are in the order of their event times; gives the number of days."""
    remove_day_files(out, CLICK_ARCHIVE_FILE)
    days, starts = np.unique(events.event_ms // _DAY_MS, return_index=True)
    for day, start, stop in zip(days.tolist(), starts.tolist(), [*starts[1:].tolist(), len(events)], strict=True):
        values = [value or b"" for value in events.values[start:stop]]
        write_day_file(out, day_start(day).date(), CLICK_ARCHIVE_FILE, values)
    return len(days)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the archive and print its totals."""
    parser = argparse.ArgumentParser(prog="data_sources.user_activity.write_archive", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the archive")
    parser.add_argument("--limit-customers", type=int, help="keep this many customers (test slices)")
    arguments = parser.parse_args(argv)
    settings = load_settings().calendar
    calendar = Calendar.from_settings(settings)
    events = past_clicks(calendar, limit_customers=arguments.limit_customers, seed=settings.seed)
    days = write_archive(arguments.out, events)
    Console(highlight=False).print(f"{days} days, {len(events):,} clicks in {arguments.out}")
    return 0


if __name__ == "__main__":
    run_main(main)
