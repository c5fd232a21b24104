"""The lake by batch on Sail and on Apache Spark over the whole year: `measures.md`, lake-1 and lake-2.

Both engines build silver and gold from the same bronze, step by step and interleaved, warm (a week in a throwaway lake
first); then every table they wrote is compared row by row. Printed: seconds, their ratio, CPU seconds and peak RSS of
each server, rows, differences, and an added day on Sail beside its full rebuild.
Run: `python -m tests.benchmarks.bench_lake [--weeks N] [--rounds N] [--json FILE]`. Exit 1: unequal, or ratio too low.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from deltalake import DeltaTable
from rich.console import Console
from rich.table import Table as TextTable

from batch_processing.interval import Interval
from batch_processing.pipeline import Step, load_pipeline
from batch_processing.run_pipeline import DEFAULT_CONFIG, plan, run_steps
from data_lake.catalog import TABLES, Table
from data_lake.compare import compare, read_table
from data_sources.calendar import Calendar
from data_sources.pos_logs.write_archive import write_archive
from shared_utils.local_stack import LocalStack, procfs
from shared_utils.settings import CalendarSettings, Settings
from shared_utils.time_utils import fixed_clock
from tests.fakes.batch_lake import LIVE_END, engines, settings_of

BOUND_RATIO: Final = 10.0  # lake-1, against warm PySpark local[2]
FLOAT_REL: Final = 1e-9
ENGINES: Final = ("sail", "spark_long")
LANDING: Final = ("reference", "archive")  # no engine takes part in these
WARM_UP: Final = timedelta(days=7)


@dataclass
class Measured:
    """Seconds of each step in each round, by engine; CPU seconds and peak bytes of each server."""

    seconds: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    cpu: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    def total(self, engine: str) -> float:
        """The median seconds of all steps together."""
        return sum(statistics.median(rounds) for rounds in self.seconds[engine].values())

    @property
    def ratio(self) -> float:
        """How many times longer Spark takes."""
        return self.total("spark_long") / self.total("sail")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison and print it."""
    arguments = _parse(argv)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="bench_lake_", dir=arguments.scratch) as name:
        folder = Path(name)
        with engines(folder / "run", *ENGINES) as stack:
            lakes = {engine: settings_of(stack, engine, folder / engine) for engine in ENGINES}
            interval = _land(folder, lakes, arguments.weeks, console)
            _warm_up(stack, lakes, interval, folder, console)
            measured = _measure(stack, lakes, interval, arguments.rounds, console)
            differences = dict(_differences(lakes, console))
            day = _added_day(lakes["sail"], interval)
        unequal = [name for name, text in differences.items() if text]
    console.print(_report(measured))
    console.print(f"an added day on Sail: {day:.1f} s, {100 * day / measured.total('sail'):.1f} % of the full rebuild")
    console.print(f"Sail is {measured.ratio:.1f}x as fast as Spark (bound {arguments.min_ratio}); unequal: {unequal}")
    if arguments.json:
        arguments.json.write_text(json.dumps(_facts(measured, differences, day, interval), indent=2) + "\n")
    return 1 if unequal or measured.ratio < arguments.min_ratio else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_lake", description=__doc__)
    parser.add_argument("--weeks", type=int, default=53, help="how many of the last weeks of history (53: all)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--min-ratio", type=float, default=BOUND_RATIO)
    parser.add_argument("--scratch", type=Path, default=None, help="where the two lakes go (2 GB for the year)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args(argv)


def _steps(names: Sequence[str] | None = None) -> tuple[Step, ...]:
    steps = plan(load_pipeline(DEFAULT_CONFIG), enable=["archive"])
    return tuple(s for s in steps if (s.name in names if names else s.name not in LANDING))


def _land(folder: Path, lakes: Mapping[str, Settings], weeks: int, console: Console) -> Interval:
    """Archive and reference data into both lakes; once, because the engines are not in it."""
    clock = fixed_clock(datetime(LIVE_END.year, LIVE_END.month, LIVE_END.day, 12, tzinfo=UTC))
    calendar = Calendar.from_settings(CalendarSettings(live_end=LIVE_END), clock)
    start = max(calendar.history_start.date(), (calendar.live_start - timedelta(weeks=weeks)).date())
    interval = Interval(start, calendar.live_start.date() + timedelta(days=1))
    baskets = sum(day.baskets for day in write_archive(folder / "archive", calendar))
    values = {"archive": str(folder / "archive")}
    for done in run_steps(_steps(LANDING), interval, lakes["sail"], values):
        console.print(f"landing {done.name:<14} {done.seconds:7.1f} s")
    shutil.copytree(lakes["sail"].lake.root, lakes["spark_long"].lake.root)
    console.print(f"{baskets:,} baskets in the archive; building {interval.start} .. {interval.end}")
    return interval


def _warm_up(
    stack: LocalStack, lakes: Mapping[str, Settings], interval: Interval, folder: Path, console: Console
) -> None:
    week = Interval(interval.end - WARM_UP, interval.end)
    shutil.copytree(lakes["sail"].lake.root, folder / "warm")
    for engine in ENGINES:
        shutil.rmtree(folder / "warm" / "gold", ignore_errors=True)
        shutil.rmtree(folder / "warm" / "silver" / "transaction_line", ignore_errors=True)
        times = list(run_steps(_steps(), week, settings_of(stack, engine, folder / "warm"), {}))
        console.print(f"warm-up {engine:<14} {sum(t.seconds for t in times):7.1f} s")


def _measure(
    stack: LocalStack, lakes: Mapping[str, Settings], interval: Interval, rounds: int, console: Console
) -> Measured:
    """Each step on Sail, then on Spark, before the next step: both see the same machine."""
    measured = Measured()
    before = {engine: _cpu_seconds(stack, engine) for engine in ENGINES}
    for number in range(1, rounds + 1):
        for step in _steps():
            for engine in ENGINES:
                (done,) = run_steps([step], interval, lakes[engine], {})
                measured.seconds[engine][step.name].append(done.seconds)
                console.print(f"round {number} {engine:<6} {step.name:<14} {done.seconds:7.1f} s")
    for engine in ENGINES:
        measured.cpu[engine] = _cpu_seconds(stack, engine) - before[engine]
        measured.peak[engine] = stack.peak_rss_bytes(engine)
    return measured


def _cpu_seconds(stack: LocalStack, engine: str) -> float:
    """User and system time of the server and of the Python workers that it waits for."""
    port = int(stack.address(engine).rpartition(":")[2])
    ticks = 0
    for pid in _server_group(port):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(value) for value in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _server_group(port: int) -> list[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and procfs.listens_on([int(entry.name)], port):
            return procfs.group_members(os.getpgid(int(entry.name)))
    return []


def _differences(lakes: Mapping[str, Settings], console: Console) -> Iterator[tuple[str, str]]:
    for table in TABLES:
        if _is_built(table, lakes["sail"]) or _is_built(table, lakes["spark_long"]):
            left, right = (read_table(table, lakes[engine].lake.root) for engine in ENGINES)
            found = compare(left, right, table.key, FLOAT_REL)
            console.print(f"{table.full_name:<34} {found}")
            yield table.full_name, "" if found.equal else str(found)


def _is_built(table: Table, settings: Settings) -> bool:
    landed = table.full_name in ("bronze.transaction", "silver.product", "silver.promotion")
    return not landed and bool(DeltaTable.is_deltatable(table.path(settings.lake.root)))


def _added_day(settings: Settings, interval: Interval) -> float:
    """Seconds to overwrite the last whole day on the lake that holds the year."""
    last: date = interval.end - timedelta(days=2)
    return sum(done.seconds for done in run_steps(_steps(), Interval(last, last + timedelta(days=1)), settings, {}))


def _report(measured: Measured) -> TextTable:
    text = TextTable("step", *(f"{engine} s" for engine in ENGINES), "ratio")
    for step in measured.seconds["sail"]:
        sail, spark = (statistics.median(measured.seconds[engine][step]) for engine in ENGINES)
        text.add_row(step, f"{sail:.1f}", f"{spark:.1f}", f"{spark / sail:.1f}" if sail else "")
    text.add_row("all", *(f"{measured.total(engine):.1f}" for engine in ENGINES), f"{measured.ratio:.1f}")
    text.add_row("CPU s", *(f"{measured.cpu[engine]:.0f}" for engine in ENGINES))
    text.add_row("peak RSS MB", *(f"{measured.peak[engine] / 1e6:.0f}" for engine in ENGINES))
    return text


def _facts(measured: Measured, differences: Mapping[str, str], day: float, interval: Interval) -> dict[str, object]:
    return {
        "interval": [str(interval.start), str(interval.end)],
        "seconds": measured.seconds,
        "cpu_seconds": measured.cpu,
        "peak_rss_bytes": measured.peak,
        "ratio": measured.ratio,
        "added_day_seconds_sail": day,
        "differences": differences,
    }


if __name__ == "__main__":
    sys.exit(main())
