"""The validator on newline-delimited events: counts by reason, the first refusals with their path, events a second."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Final

from rich.console import Console
from rich.markup import escape

from contracts.reasons import Refusal
from contracts.topics_names import EVENT_TOPICS
from contracts.validators.json_text import MAX_BYTES
from contracts.validators.validate_kafka_event import Validator

_BATCH: Final = 4096
_LINE_LIMIT: Final = MAX_BYTES + 2  # one byte over the size limit and the line feed


@dataclass(slots=True)
class Tally:
    """What became of a stream of events. `shown` holds (line number from 1, refusal) of the first refusals."""

    topic: str
    events: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[int, Refusal]] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Number of refused events."""
        return self.reasons.total()

    def as_json(self) -> dict[str, Any]:
        """The tally as plain values; `events_per_second` counts the judging only, not the reading."""
        return {
            "topic": self.topic,
            "events": self.events,
            "accepted": self.events - self.refused,
            "refused": dict(sorted(self.reasons.items())),
            "events_per_second": round(self.events / self.seconds) if self.seconds else 0,
            "first_refusals": [{"line": line, "reason": r.reason, "detail": r.detail} for line, r in self.shown],
        }


def read_values(stream: BinaryIO) -> Iterator[bytes]:
    """Each line without its line feed; of a line over the size limit only a beginning that is itself over the limit."""
    while line := stream.readline(_LINE_LIMIT):
        yield line.removesuffix(b"\n")
        while len(line) == _LINE_LIMIT and not line.endswith(b"\n"):
            line = stream.readline(_LINE_LIMIT)


def tally(topic: str, values: Iterable[bytes], show: int = 5) -> Tally:
    """Judge all values in bounded memory and keep the first `show` refusals."""
    validator, result, source = Validator(topic), Tally(topic), iter(values)
    while batch := list(islice(source, _BATCH)):
        started = time.process_time()
        verdicts = validator.reasons(batch)
        result.seconds += time.process_time() - started
        _count(result, verdicts, show)
    return result


def run(argv: Sequence[str] | None, stream: BinaryIO | None = None) -> int:
    """The command: 0 if every event is accepted, 1 if any is refused."""
    parser = argparse.ArgumentParser(description="Validate newline-delimited events from standard input.")
    parser.add_argument("--topic", required=True, choices=EVENT_TOPICS)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--show", type=int, default=5, metavar="N", help="name the first N refusals (default 5)")
    arguments = parser.parse_args(argv)
    result = tally(arguments.topic, read_values(stream or sys.stdin.buffer), arguments.show)
    _print(result, as_json=arguments.json)
    return 1 if result.refused else 0


def _count(result: Tally, verdicts: Sequence[Refusal | None], show: int) -> None:
    for line, refusal in enumerate(verdicts, start=result.events + 1):
        if refusal is not None:
            result.reasons[refusal.reason] += 1
            if len(result.shown) < show:
                result.shown.append((line, refusal))
    result.events += len(verdicts)


def _print(result: Tally, *, as_json: bool) -> None:
    console, report = Console(highlight=False, soft_wrap=True), result.as_json()
    if as_json:
        console.print(json.dumps(report), markup=False)
        return
    for first in report["first_refusals"]:
        console.print(f"line {first['line']}: {first['reason']} {escape(first['detail'])}")
    counts = ", ".join(f"{reason} {count}" for reason, count in report["refused"].items()) or "none"
    console.print(f"{result.topic}: {result.events} events, {report['accepted']} accepted, refused: {counts}")
    console.print(f"{report['events_per_second']:,} events a second on one core")
