"""Steps with dependencies, run side by side where they can be, with live progress.

`graphlib` orders the steps and a thread pool of subprocesses runs them: a workflow engine would be a server to start
(Airflow is the platform's one), and the demo must not need one.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from shared_utils.errors import PlatformError

_LOG_LINES = 15
_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Said:
    """Runs until the log of the step `by` has `text`: what comes after needs not all of that step."""

    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called, what it runs, and which steps come before it.

    `run` is a command line (a subprocess with its own log), a function of no arguments, or what another step says.
    `environment` is the whole one of the subprocess where it is not the run's. `verdict`: the subprocess judges,
    and its exit code 1 is an answer, no failure. `own_line`: it prints a line of its own when it is done.
    """

    name: str
    run: Sequence[str] | Callable[[], None] | Said
    after: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    verdict: bool = False
    own_line: bool = False


@dataclass(slots=True)
class Timeline:
    """When each step started and ended, in seconds since the first one. `over`: those that ended, well or not."""

    started: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def seconds(self, name: str) -> float:
        """How long a finished step took."""
        return self.ended[name] - self.started[name]


class StepFailedError(PlatformError):
    """A step ended with an error; the message carries the end of its log."""


def run_steps(
    steps: Sequence[Step], *, logs: Path, environment: Mapping[str, str], console: Console, workers: int = 2
) -> Timeline:
    """Run every step after those it names; at most `workers` at a time.

    Raises:
        StepFailedError: a step failed. Steps under way are waited for, no further one is started.
    """
    logs.mkdir(parents=True, exist_ok=True)
    by_name = {step.name: step for step in steps}
    order = TopologicalSorter({step.name: step.after for step in steps})
    order.prepare()
    timeline, origin = Timeline(), time.monotonic()

    def work(step: Step) -> None:
        timeline.started[step.name] = time.monotonic() - origin
        try:
            if isinstance(step.run, Said):
                _wait_for(step.run, logs, timeline.over)
            else:
                _run(step.run, step, logs, environment)
        finally:
            timeline.over.add(step.name)
        timeline.ended[step.name] = time.monotonic() - origin

    with (
        ThreadPoolExecutor(workers) as pool,
        ThreadPoolExecutor(len(steps)) as waiting,  # who only waits keeps no worker from work
        Live(_progress(steps, timeline, origin), console=console, refresh_per_second=4, transient=True) as live,
    ):
        running: dict[Future[None], str] = {}
        try:
            while order.is_active():
                for step in map(by_name.__getitem__, order.get_ready()):
                    running[(waiting if isinstance(step.run, Said) else pool).submit(work, step)] = step.name
                done, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                live.update(_progress(steps, timeline, origin))
                for future in done:
                    name = running.pop(future)
                    future.result()
                    order.done(name)
                    if not by_name[name].own_line:
                        live.console.print(f"  [green]✓[/] {name} [dim]{timeline.seconds(name):.1f} s[/]")
        finally:
            # After a failure what has not started never will, and nobody may wait for its word.
            pool.shutdown(wait=False, cancel_futures=True)
            timeline.over.update(by_name)
    return timeline


def log_of(step_name: str, logs: Path) -> Path:
    """Where the subprocess of a step writes."""
    return logs / f"{step_name.replace(' ', '_').replace(':', '')}.log"


def _wait_for(said: Said, logs: Path, over: Set[str]) -> None:
    log = log_of(said.by, logs)
    while True:
        no_more = said.by in over  # asked first: its last words may come between the two
        if log.exists() and said.text in log.read_text(errors="replace"):
            return
        if no_more:
            raise StepFailedError(f"Step '{said.by}' never said '{said.text}'.", f"Read {log} for what it said.")
        time.sleep(_POLL_SECONDS)


def _run(command: Sequence[str] | Callable[[], None], step: Step, logs: Path, environment: Mapping[str, str]) -> None:
    if callable(command):
        command()
        return
    log = log_of(step.name, logs)
    with log.open("wb") as sink:
        ended = subprocess.run(  # noqa: S603 (command lines of this package)
            list(command),
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=dict(environment if step.environment is None else step.environment),
            check=False,
        )
    if ended.returncode and not (step.verdict and ended.returncode == 1):
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
        raise StepFailedError(
            f"Step '{step.name}' ended with exit code {ended.returncode}:\n{tail}\n", f"Read {log} for the whole story."
        )


def _progress(steps: Sequence[Step], timeline: Timeline, origin: float) -> RenderableType:
    now = time.monotonic() - origin
    grid = Table.grid(padding=(0, 1))
    for step in steps:
        if step.name in timeline.started and step.name not in timeline.ended:
            grid.add_row(Spinner("dots"), step.name, Text(f"{now - timeline.started[step.name]:.0f} s", style="dim"))
    return Group(grid, Text(f"  {len(timeline.ended)} of {len(steps)} steps, {now:.0f} s", style="dim"))
