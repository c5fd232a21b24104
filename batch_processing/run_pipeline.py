"""Run a pipeline file over an interval: checked first, then step by step on one warm engine session.

Reads, writes: what the file's steps say. The engine is Sail, or Apache Spark by settings.engine.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from rich.console import Console

from batch_processing.interval import Interval
from batch_processing.pipeline import Pipeline, Step, load_pipeline
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError
from shared_utils.settings import Settings, load_settings

DEFAULT_CONFIG: Final = Path(__file__).parent / "pipeline_configs" / "daily_aggregates.yml"


@dataclass(frozen=True)
class StepTime:
    """How long a step took. Units: seconds."""

    name: str
    seconds: float


def plan(pipeline: Pipeline, enable: Sequence[str] = (), disable: Sequence[str] = ()) -> tuple[Step, ...]:
    """The steps that will run, in order.

    Raises:
        ConfigurationError: `enable` or `disable` names no step.
    """
    unknown = sorted({*enable, *disable} - {step.name for step in pipeline.steps})
    if unknown:
        names = ", ".join(step.name for step in pipeline.steps)
        raise ConfigurationError(f"Unknown steps: {', '.join(unknown)}.", f"{pipeline.name} has {names}.")
    return tuple(s for s in pipeline.ordered if (s.enabled or s.name in enable) and s.name not in disable)


def command_line(step: Step, interval: Interval, values: Mapping[str, str]) -> list[str]:
    """The job's arguments: the interval, then the step's own with `{name}` filled in from `values`.

    Raises:
        ConfigurationError: a placeholder has no value.
    """
    words = ["--start", str(interval.start), "--end", str(interval.end)]
    for name, value in step.arguments.items():
        try:
            words += [f"--{name}", str(value).format_map(values)]
        except KeyError as exc:
            raise ConfigurationError(
                f"Step {step.name!r} needs a value for {exc.args[0]!r}.", f"Add --set {exc.args[0]}=VALUE."
            ) from exc
    return words


def run_steps(
    steps: Sequence[Step], interval: Interval, settings: Settings, values: Mapping[str, str]
) -> Iterator[StepTime]:
    """Run the steps one after the other and give each one's time as it ends. All command lines are checked first."""
    # The jobs are looked up by name, as a scheduler does: importing all of them here would tie the file to the code.
    jobs = [importlib.import_module(f"batch_processing.spark_jobs.{step.job}") for step in steps]
    arguments = [job.parse(command_line(step, interval, values)) for job, step in zip(jobs, steps, strict=True)]
    for step, job, parsed in zip(steps, jobs, arguments, strict=True):
        begin = time.perf_counter()
        job.run(parsed, settings)
        yield StepTime(step.name, time.perf_counter() - begin)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the pipeline and print the time of each step."""
    arguments = _parse(argv)
    interval = Interval(arguments.start, arguments.end)
    steps = plan(load_pipeline(arguments.config), arguments.enable, arguments.disable)
    values = dict(pair.split("=", 1) for pair in arguments.set)
    console = Console(highlight=False, soft_wrap=True)
    with console.status("starting") as status:
        names = iter([*(step.name for step in steps), "done"])
        status.update(f"{next(names)} ...")
        total = 0.0
        for done in run_steps(steps, interval, load_settings(), values):
            console.print(f"{done.name:<16} {done.seconds:7.1f} s")
            total += done.seconds
            status.update(f"{next(names)} ...")
    console.print(f"{'all':<16} {total:7.1f} s  {interval.start} .. {interval.end}")
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="batch_processing.run_pipeline", description=__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    parser.add_argument("--start", type=date.fromisoformat, required=True)
    parser.add_argument("--end", type=date.fromisoformat, required=True)
    parser.add_argument("--enable", action="append", default=[], metavar="STEP", help="run a step that is off")
    parser.add_argument("--disable", action="append", default=[], metavar="STEP", help="leave a step out")
    parser.add_argument("--set", action="append", default=[], type=_pair, metavar="NAME=VALUE")
    return parser.parse_args(argv)


def _pair(text: str) -> str:
    if "=" not in text:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return text


if __name__ == "__main__":
    run_main(main)
