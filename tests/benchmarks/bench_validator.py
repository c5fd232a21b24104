"""Events a second on one core: the validator beside slower and looser ways to judge the same clicks, in one run.

Run: `python -m tests.benchmarks.bench_validator [--events N] [--json]`. Exit 1 below 50,000 compact clicks
a second. Seconds are CPU seconds of this process, so that other load on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from contracts.generated.models import ClickEvent
from contracts.topics_names import CLICK, TRANSACTION
from contracts.validators.validate_kafka_event import Validator
from tests.unit.contracts.examples import good_examples
from tests.unit.contracts.reference import accepts, schema_validator

FLOOR_EVENTS_PER_SECOND: Final = 50_000
ROUNDS: Final = 3
SLOW_SHARE: Final = 50  # the pure-Python ways judge one event in so many

Judge = Callable[[bytes], object]


def clicks(count: int) -> list[bytes]:
    """`count` distinct compact clicks of all actions, in the mix of the examples."""
    bases = [orjson.loads(value) for topic, _, value in good_examples() if topic == CLICK]
    return [orjson.dumps({**bases[i % len(bases)], "customer_id": i + 1, "session_id": f"s-{i}"}) for i in range(count)]


def baskets(count: int, lines: int = 10) -> list[bytes]:
    """`count` distinct compact transactions of `lines` lines."""
    base: dict[str, Any] = orjson.loads(next(value for topic, _, value in good_examples() if topic == TRANSACTION))
    line = {**base["lines"][0], "sales_cents": 50}
    many = [{**line, "line_number": number + 1} for number in range(lines)]
    return [orjson.dumps({**base, "basket_id": i + 1, "lines": many, "total_cents": 50 * lines}) for i in range(count)]


def spaced(values: Sequence[bytes]) -> list[bytes]:
    """The same events as `json.dumps` writes them by default; their keys are read twice."""
    return [json.dumps(orjson.loads(value)).encode() for value in values]


def events_per_second(judge: Judge, values: Sequence[bytes]) -> float:
    """The best of three rounds over all values, by CPU time."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for value in values:
            judge(value)
        best = min(best, time.process_time() - started)
    return len(values) / best


def pydantic_judge() -> Judge:
    """Compiled pydantic; it takes repeated keys and knows no rules between fields."""
    validate = TypeAdapter(ClickEvent).validate_json

    def judge(value: bytes) -> bool:
        try:
            validate(value)
        except ValidationError:
            return False
        return True

    return judge


def plain_judge() -> Judge:
    """`json.loads` and the pure-Python `jsonschema`, with no check of keys, size or nesting."""
    is_valid = schema_validator(CLICK).is_valid
    return lambda value: is_valid(json.loads(value))


def measure(count: int) -> dict[str, float]:
    """Events a second by way of judging; every value is accepted by all of them."""
    values, few = clicks(count), clicks(max(count // SLOW_SHARE, 1))
    click, transaction = Validator(CLICK), Validator(TRANSACTION)
    lines = baskets(max(count // 10, 1))
    if any(click.reasons(values)) or any(transaction.reasons(lines)):
        raise AssertionError("the benchmark's own events are refused")
    return {
        "validator, clicks": events_per_second(click.reason, values),
        "validator, clicks with blanks": events_per_second(click.reason, spaced(values)),
        "validator, baskets of 10 lines": events_per_second(transaction.reason, lines),
        "pydantic validate_json, clicks (looser)": events_per_second(pydantic_judge(), values),
        "json.loads + jsonschema, clicks": events_per_second(plain_judge(), few),
        "reference verdict of the tests, clicks": events_per_second(lambda value: accepts(CLICK, value), few),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures and the ratio of each to the validator on clicks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    figures, console = measure(arguments.events), Console(highlight=False, soft_wrap=True)
    own = figures["validator, clicks"]
    if arguments.json:
        console.print(json.dumps({name: round(figure) for name, figure in figures.items()}), markup=False)
    else:
        for name, figure in figures.items():
            console.print(f"{name:42} {figure:>10,.0f} events/s a core   validator is {own / figure:7.2f}x as fast")
        console.print(f"{'PASS' if own >= FLOOR_EVENTS_PER_SECOND else 'FAIL'}: floor {FLOOR_EVENTS_PER_SECOND:,}")
    return 0 if own >= FLOOR_EVENTS_PER_SECOND else 1


if __name__ == "__main__":
    sys.exit(main())
