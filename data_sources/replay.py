"""Build the live stream: transactions, clicks, payments and stock of the live weeks, with faults planted.

Reads: the Complete Journey data. Writes: `DIR/live/{events.ndjson,manifest.json}`, `DIR/truth/{fates,fraud}.parquet`.
Grain: one record a line, in the order of arrival. Bytes depend on the calendar and the seed alone; sending is
`ingestion_layer`'s part.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from contracts.topics_names import SHOP_TOPICS
from data_sources import complete_journey
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import Events, concat
from data_sources.faults import plant_faults
from data_sources.inventory.inventory_feed import ASSORTMENT_WEEKS, assortment, inventory_feed
from data_sources.payments.generate_payments import generate_payments
from data_sources.payments.plant_fraud import FraudCase, plant_fraud, write_fraud
from data_sources.pos_logs.simulate_pos import simulate_pos
from data_sources.spool import SPOOL_FILE, write_spool
from data_sources.user_activity.generate_clickstream import generate_clickstream
from data_sources.user_activity.shelves import Shelves
from shared_utils.cli import run_main
from shared_utils.errors import DataError
from shared_utils.settings import load_settings

Part = Callable[[], Events]


def build_clean(calendar: Calendar, seed: int, *, limit_customers: int | None = None) -> list[Events]:
    """The live events of each topic before any fault is planted."""
    return [part() for part in _parts(calendar, seed, limit_customers)]


def build_clicks(calendar: Calendar, seed: int, *, limit_customers: int | None = None) -> Events:
    """The clicks of the live weeks before any fault is planted."""
    recent, live = _recent_and_live(calendar, limit_customers)
    return _clicks(recent, live, calendar, seed)


def build_live(calendar: Calendar, seed: int, *, limit_customers: int | None = None) -> Events:
    """The live stream with faults, ordered by arrival, each event with its intended fate."""
    clean = build_clean(calendar, seed, limit_customers=limit_customers)
    return _with_faults(clean, calendar, seed)


def fraud_cases(calendar: Calendar, seed: int, *, limit_customers: int | None = None) -> list[FraudCase]:
    """The truth about the fraud planted among the live payments."""
    live = complete_journey.lines(calendar, calendar.live_start, calendar.live_end, limit_customers=limit_customers)
    return plant_fraud(generate_payments(live, seed), calendar, seed)[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the live stream and its truth, and print what it holds."""
    parser = argparse.ArgumentParser(prog="data_sources.replay", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for live/ and truth/")
    parser.add_argument("--seed", type=int, help="overrides the calendar's seed")
    parser.add_argument("--limit-customers", type=int, help="keep this many customers (test slices)")
    arguments = parser.parse_args(argv)
    settings = load_settings().calendar
    seed = settings.seed if arguments.seed is None else arguments.seed
    calendar = Calendar.from_settings(settings)
    console = Console()
    parts = _parts(calendar, seed, arguments.limit_customers)
    clean = [part() for part in track(parts, "live events", console=console, transient=True)]
    stream = _with_faults(clean, calendar, seed)
    write_spool(arguments.out, stream, live_start=calendar.live_start, live_end=calendar.live_end, seed=seed)
    write_fraud(arguments.out, fraud_cases(calendar, seed, limit_customers=arguments.limit_customers))
    console.print(_summary(stream))
    console.print(f"{len(stream):,} records in {arguments.out / SPOOL_FILE}", highlight=False)
    return 0


def _parts(calendar: Calendar, seed: int, limit_customers: int | None) -> list[Part]:
    recent, live = _recent_and_live(calendar, limit_customers)
    return [
        lambda: _clicks(recent, live, calendar, seed),
        lambda: simulate_pos(live, calendar, seed),
        lambda: plant_fraud(generate_payments(live, seed), calendar, seed)[0],
        lambda: inventory_feed(assortment(recent), recent, live, calendar, seed),
    ]


def _recent_and_live(calendar: Calendar, limit_customers: int | None) -> tuple[Lines, Lines]:
    live = complete_journey.lines(calendar, calendar.live_start, calendar.live_end, limit_customers=limit_customers)
    recent = complete_journey.lines(
        calendar,
        calendar.live_start - timedelta(weeks=ASSORTMENT_WEEKS),
        calendar.live_start,
        limit_customers=limit_customers,
    )
    if len(live) == 0 or len(recent) == 0:
        raise DataError("No baskets fall in the live weeks.", "Raise --limit-customers.")
    return recent, live


def _clicks(recent: Lines, live: Lines, calendar: Calendar, seed: int) -> Events:
    shelves = Shelves.from_lines(recent, live.product_id, complete_journey.product_categories())
    return generate_clickstream(recent, live, shelves, calendar, seed)


def _with_faults(clean: Sequence[Events], calendar: Calendar, seed: int) -> Events:
    end_ms = int(calendar.live_end.timestamp()) * 1000
    return concat([plant_faults(events, end_ms, seed) for events in clean]).by_arrival()


def _summary(stream: Events) -> Table:
    counts = Counter(zip(stream.fates, stream.topics, strict=True))
    table = Table("intended fate", *(topic.split(".")[1] for topic in SHOP_TOPICS), title="live stream")
    for fate in sorted({fate for fate, _ in counts}):
        table.add_row(fate, *(f"{counts[fate, topic]:,}" for topic in SHOP_TOPICS))
    return table


if __name__ == "__main__":
    run_main(main)
