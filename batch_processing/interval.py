"""The interval of days that a batch run reads and overwrites: always given, never "latest"."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from datetime import date, timedelta

from shared_utils.errors import ConfigurationError


@dataclass(frozen=True)
class Interval:
    """UTC days from `start` to before `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ConfigurationError(f"The interval {self.start}..{self.end} is empty.", "Give --end after --start.")

    def widened(self, *, before: int = 0, after: int = 0) -> Interval:
        """The interval with that many days more on either side."""
        return Interval(self.start - timedelta(days=before), self.end + timedelta(days=after))

    def predicate(self, column: str) -> str:
        """The SQL condition that a date column lies in the interval."""
        return f"{column} >= '{self.start}' AND {column} < '{self.end}'"


def job_parser(prog: str, description: str | None) -> ArgumentParser:
    """A parser with the two arguments that every batch job takes."""
    parser = ArgumentParser(prog=f"batch_processing.{prog}", description=description)
    parser.add_argument("--start", type=date.fromisoformat, required=True, help="first UTC day, YYYY-MM-DD")
    parser.add_argument("--end", type=date.fromisoformat, required=True, help="first UTC day after the interval")
    return parser


def interval_of(arguments: Namespace) -> Interval:
    """The interval that was given on the command line.

    Raises:
        ConfigurationError: it is empty.
    """
    return Interval(arguments.start, arguments.end)
