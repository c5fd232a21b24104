"""`python -m production_ops.first_load`: what a stack without data needs before it can serve.

Reads: the Complete Journey data. Writes: the lake, the online store, a first model in the registry, the live weeks'
spool; `<run_dir>/first_load.json` when all of that is done. Idempotent: a stack that was loaded is left as it is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from rich.console import Console

from data_lake.storage import root_of
from data_sources.calendar import Calendar
from feature_store.snapshots import take_snapshots
from ml_modeling.registry.aliases import CHAMPION
from production_ops.demo.steps import Step, run_steps
from production_ops.demo.world import (
    World,
    feature_steps,
    past_click_steps,
    past_steps,
    spool_step,
    store_step,
    training_step,
)
from shared_utils.cli import run_main
from shared_utils.errors import DataError
from shared_utils.settings import Settings, load_settings, process_environment

_DONE: Final = "first_load.json"
_PINNED: Final = "gold pinned"


@dataclass(frozen=True, slots=True)
class FirstWorld(World):
    """The world on the Monday on which its live weeks begin: nothing of them has happened yet."""

    @property
    def as_of(self) -> date:
        """The day on which history ends."""
        return self.cutoff


def stages(world: FirstWorld, settings: Settings) -> list[tuple[str, list[Step]]]:
    """The steps in three stages: each of the later ones reads what the one before has written."""

    def pin() -> None:
        take_snapshots(root_of(settings), settings.run_dir)

    return [
        ("History into the lake", [*past_steps(world), *past_click_steps(world), spool_step(world)]),
        ("Features in gold", feature_steps(world)),
        (
            "A filled store and a model",
            [Step(_PINNED, pin), store_step(world.as_of, after=(_PINNED,)), training_step(world, after=(_PINNED,))],
        ),
    ]


def load(world: FirstWorld, settings: Settings, console: Console) -> None:
    """Run all stages.

    Raises:
        StepFailedError: a step ended badly; the next start does it again.
        DataError: the gate refused the model and nothing else is to be served.
    """
    for title, steps in stages(world, settings):
        console.print(title)
        run_steps(steps, logs=world.run_dir / "logs", environment=process_environment(), console=console)
    report = json.loads(world.training_report.read_text(encoding="utf-8"))
    if settings.serving.model_alias == CHAMPION and not report["champion"]:
        raise DataError(
            f"The gate refused the first model ({'; '.join(report['gate']['reasons'])}).",
            "Load all households, or serve the alias challenger (SHOP_SERVING__MODEL_ALIAS).",
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Load once."""
    parser = argparse.ArgumentParser(prog="python -m production_ops.first_load", description=__doc__)
    parser.add_argument("--customers", type=_households, help="only so many households; all: every one", default=None)
    arguments = parser.parse_args(argv)
    settings, console = load_settings(), Console(highlight=False)
    done = settings.run_dir / _DONE
    if done.exists():
        console.print(f"Loaded before: {done.read_text(encoding='utf-8').strip()}")
        return 0
    started = time.monotonic()
    world = FirstWorld(settings.run_dir.resolve(), Calendar.from_settings(settings.calendar), arguments.customers)
    load(world, settings, console)
    summary = {"as_of": world.as_of.isoformat(), "seconds": round(time.monotonic() - started)}
    done.write_text(json.dumps(summary) + "\n", encoding="utf-8")
    console.print(f"Loaded in {summary['seconds']} s, as of {summary['as_of']}.")
    return 0


def _households(text: str) -> int | None:
    return None if text == "all" else int(text)


if __name__ == "__main__":
    run_main(main)
