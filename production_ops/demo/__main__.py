"""`python -m production_ops.demo`: run everything once, prove it, print the verdict, write the page.

Writes only under `--run-dir` (build/demo). Exit status 1 when a proof fails; `--keep` leaves the servers running.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from data_sources.calendar import Calendar
from production_ops.demo.run import run
from production_ops.demo.world import World
from shared_utils.cli import run_main
from shared_utils.logging_config import configure_logging
from shared_utils.settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 1 when a proof fails."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the servers running and print how to try them")
    parser.add_argument("--customers", type=int, help="only so many households (a quick look; the gate needs all)")
    parser.add_argument("--run-dir", type=Path, default=Path("build/demo"), help="folder of the run, emptied first")
    arguments = parser.parse_args(argv)
    # The steps are printed as they end; lines of what runs in this process would come between them.
    configure_logging(json=False, level="WARNING")
    world = World(arguments.run_dir.resolve(), Calendar.from_settings(load_settings().calendar), arguments.customers)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    results = run(world, keep=arguments.keep, console=console)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    run_main(main)
