"""Send the live weeks to Kafka: every line of the spool files in `--live`, in the order of arrival.

Reads: `DIR/*.ndjson` as data_sources wrote them. Writes: the topics that the lines name.
When the broker fails, the next run goes on where this one ended; what was undelivered goes first. As a service it keeps
its position while it sends: after a crash a second's records may be sent again, with their event ids; told to end, it
ends with what it has sent.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from shared_utils.cli import run_main, stop_signal
from shared_utils.errors import DataError, DependencyError
from shared_utils.kafka_helpers import Producer
from shared_utils.records import Record, from_line
from shared_utils.settings import KafkaSettings, load_settings

_NAME: Final = "replay-live"
_AT_MAX_SPEED: Final = 0.0
BY_THE_CLOCK: Final = "clock"
_KEEP_SECONDS: Final = 1.0
_Pace = float | str
Wait = Callable[[float], bool | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Send the spool and print how many records went to each topic."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", type=Path, required=True, help="folder with the spool files (*.ndjson)")
    parser.add_argument(
        "--speed",
        type=_speed,
        default=_AT_MAX_SPEED,
        help="max, or how many seconds of the replay pass in one second, or clock: what is due goes at once, the rest "
        "at its own time",
    )
    parser.add_argument(
        "--as-service", action="store_true", help="keep the position at every second; stay when all is sent"
    )
    args = parser.parse_args(argv)
    console = Console()
    bar = Progress(
        TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    )
    with stop_signal() if args.as_service else nullcontext() as stopped:
        with bar:
            task = bar.add_task("send", total=count_lines(args.live))
            sent = replay(
                args.live,
                load_settings().kafka,
                speed=args.speed,
                keep_position=args.as_service,
                on_sent=lambda: bar.advance(task),
                wait=stopped.wait if stopped else time.sleep,
            )
        console.print(_table(sent))
        if stopped:
            stopped.wait()
    return 0


def replay(
    live: Path,
    settings: KafkaSettings,
    *,
    speed: _Pace = _AT_MAX_SPEED,
    keep_position: bool = False,
    on_sent: Callable[[], None] = lambda: None,
    wait: Wait = time.sleep,
) -> Counter[str]:
    """Send every record that an earlier, failed run has not handed over; the number sent by topic.

    `keep_position`: a killed run goes on, too, and a finished one has nothing left to send. `wait` as in `paced`.

    Raises:
        DependencyError: the broker did not take the records; run again to go on.
        DataError: there is no spool, or a line of it is damaged.
    """
    position = Position(settings.spool_dir / f"{_NAME}.position.json", live)
    handed = position.read()
    sent: Counter[str] = Counter()
    stream, kept_at = records(live), time.monotonic()
    try:
        with Producer(settings, _NAME) as producer:

            def keep() -> None:
                nonlocal kept_at
                producer.flush()
                position.write(handed)
                kept_at = time.monotonic()

            def keep_and_wait(seconds: float) -> bool | None:
                if keep_position and seconds >= _KEEP_SECONDS:
                    keep()
                return wait(seconds)

            for _ in islice(stream, handed):
                on_sent()
            for record in paced(stream, speed, keep_and_wait):
                handed += 1
                producer.send(record)
                sent[record.topic] += 1
                on_sent()
                if keep_position and time.monotonic() - kept_at >= _KEEP_SECONDS:
                    keep()
    except DependencyError:
        position.write(handed)  # all of these are delivered or kept by the producer
        raise
    if keep_position:
        position.write(handed)
    else:
        position.clear()
    return sent


class Position:
    """How many records of a spool folder a failed run had handed to its producer."""

    def __init__(self, path: Path, live: Path) -> None:
        self._path = path
        self._live = str(live.resolve())

    def read(self) -> int:
        """The count, 0 when no run on this folder has failed."""
        if not self._path.exists():
            return 0
        kept = json.loads(self._path.read_text(encoding="utf-8"))
        return int(kept["handed"]) if kept["live"] == self._live else 0

    def write(self, handed: int) -> None:
        """Remember the count, whole or not at all."""
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps({"live": self._live, "handed": handed}), encoding="utf-8")
        partial.replace(self._path)

    def clear(self) -> None:
        """Forget it: everything was delivered."""
        self._path.unlink(missing_ok=True)


def records(live: Path) -> Iterator[Record]:
    """All records of a spool folder, merged by arrival time."""
    return heapq.merge(*(_read(path) for path in _files(live)), key=lambda record: record.timestamp_ms or 0)


def count_lines(live: Path) -> int:
    """The number of records in a spool folder."""
    total = 0
    for path in _files(live):
        with path.open("rb") as stream:
            total += sum(1 for _ in stream)
    return total


def paced(
    stream: Iterator[Record],
    speed: _Pace,
    wait: Wait = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> Iterator[Record]:
    """The same records, each held back until its arrival time is due at `speed`; 0 holds nothing back.

    `wait` is given the seconds; when it says that it was told to end, no record follows.
    """
    began: tuple[float, int] | None = None
    for record in stream:
        if speed and record.timestamp_ms is not None:
            if isinstance(speed, str):
                seconds = record.timestamp_ms / 1000 - wall_clock()
            else:
                began = began or (clock(), record.timestamp_ms)
                seconds = began[0] + (record.timestamp_ms - began[1]) / 1000 / speed - clock()
            if wait(max(0.0, seconds)):
                return
        yield record


def _files(live: Path) -> list[Path]:
    files = sorted(live.glob("*.ndjson"))
    if not files:
        raise DataError(
            f"There is no spool file (*.ndjson) in {live}.", "Write it: python -m data_sources.replay --help."
        )
    return files


def _read(path: Path) -> Iterator[Record]:
    with path.open("rb") as stream:
        yield from map(from_line, stream)


def _speed(text: str) -> _Pace:
    if text == "max":
        return _AT_MAX_SPEED
    if text == BY_THE_CLOCK:
        return text
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("a speed is max, clock or a number above 0")
    return value


def _table(sent: Counter[str]) -> Table:
    table = Table(title="Sent", show_footer=True)
    table.add_column("topic", footer="all")
    table.add_column("records", justify="right", footer=f"{sent.total():,}")
    for topic, count in sorted(sent.items()):
        table.add_row(topic, f"{count:,}")
    return table


if __name__ == "__main__":
    run_main(main)
