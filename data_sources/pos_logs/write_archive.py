"""Write the POS archive: the history as one gzipped NDJSON file a UTC day.

Reads: the Complete Journey data. Writes: `DIR/day=YYYY-MM-DD/transactions.ndjson.gz`, `DIR/manifest.json`.
Grain: one `shop.transaction.v1` event a line. Bytes depend on the calendar alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import track

from data_sources import complete_journey
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.day_files import remove_day_files, write_day_file
from data_sources.pos_logs.archive import ARCHIVE_FILE, MANIFEST_FILE, transaction_payloads
from shared_utils.cli import run_main
from shared_utils.settings import load_settings
from shared_utils.time_utils import day_start

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class DayFile:
    """What one day's file holds. Units: cents."""

    day: date
    baskets: int
    lines: int
    sales_cents: int


def write_archive(out: Path, calendar: Calendar, *, limit_customers: int | None = None) -> list[DayFile]:
    """Write the history under `out` and return one entry a day, in order."""
    return list(_write_days(out, calendar, _history(calendar, limit_customers)))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the archive and print its totals."""
    parser = argparse.ArgumentParser(prog="data_sources.pos_logs.write_archive", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the archive")
    parser.add_argument("--limit-customers", type=int, help="keep this many customers (test slices)")
    arguments = parser.parse_args(argv)
    calendar = Calendar.from_settings(load_settings().calendar)
    history = _history(calendar, arguments.limit_customers)
    days = -(-(calendar.live_start - calendar.history_start) // (day_start(1) - day_start(0))) + 1
    console = Console()
    written = list(
        track(_write_days(arguments.out, calendar, history), "POS archive", total=days, console=console, transient=True)
    )
    baskets, lines = sum(d.baskets for d in written), sum(d.lines for d in written)
    console.print(f"{len(written)} days, {baskets:,} baskets, {lines:,} lines in {arguments.out}", highlight=False)
    return 0


def _history(calendar: Calendar, limit_customers: int | None) -> Lines:
    return complete_journey.lines(
        calendar, calendar.history_start, calendar.live_start, limit_customers=limit_customers
    )


def _write_days(out: Path, calendar: Calendar, history: Lines) -> Iterator[DayFile]:
    remove_day_files(out, ARCHIVE_FILE)
    written = []
    for day, lines in history.chunks(history.event_ms // _DAY_MS):
        written.append(_write_day(out, day_start(day).date(), lines, calendar))
        yield written[-1]
    _write_manifest(out, calendar, written)


def _write_day(out: Path, day: date, lines: Lines, calendar: Calendar) -> DayFile:
    events = [orjson.dumps(payload) for payload in transaction_payloads(lines, calendar)]
    write_day_file(out, day, ARCHIVE_FILE, events)
    return DayFile(day, len(events), len(lines), int(lines.sales_cents.sum()))


def _write_manifest(out: Path, calendar: Calendar, days: Sequence[DayFile]) -> None:
    manifest = {
        "history_start": calendar.history_start,
        "live_start": calendar.live_start,
        "baskets": sum(d.baskets for d in days),
        "lines": sum(d.lines for d in days),
        "sales_cents": sum(d.sales_cents for d in days),
        "days": {d.day.isoformat(): d.baskets for d in days},
    }
    (out / MANIFEST_FILE).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    run_main(main)
