"""The journey of one click: produced, in Kafka, in Flink, in Redis, in which decisions, in the lake; each hop's delay.

Reads topics, bronze and silver tables and Redis of the stack that runs: the one that the environment names, else the
one that `make demo KEEP=1` or `up --keep` left running. Changes nothing.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console

from production_ops.trace.core.journey import journey
from production_ops.trace.readers import evidence_of, newest_click
from production_ops.trace.report import as_json, print_journey
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError
from shared_utils.local_stack import kept
from shared_utils.settings import Settings, load_settings, override_settings, process_environment

_BROKER: Final = "SHOP_KAFKA__BOOTSTRAP_SERVERS"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the journey of the click that is asked for, by default of the last one."""
    parser = argparse.ArgumentParser(prog="python -m production_ops.trace", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--event-id", type=_event_id, metavar="ID", help="this click")
    which.add_argument("--customer", type=int, metavar="ID", help="the customer's last view, add, remove or search")
    which.add_argument("--latest", action="store_true", help="the last one of all customers (default)")
    parser.add_argument("--run-dir", type=Path, help="the run folder of the stack, where several were left running")
    parser.add_argument("--json", action="store_true", help="all of it as JSON, spans and every decision included")
    arguments = parser.parse_args(argv)
    settings, source = stack_settings(arguments.run_dir)
    event_id = arguments.event_id or newest_click(settings, arguments.customer)
    found = journey(evidence_of(event_id, settings))
    if arguments.json:
        # Not by rich: it would wrap the lines.
        Console(soft_wrap=True, markup=False, highlight=False).print(
            orjson.dumps(as_json(found, source), option=orjson.OPT_INDENT_2).decode()
        )
    else:
        print_journey(found, source, Console(highlight=False))
    return 0


def stack_settings(run_dir: Path | None) -> tuple[Settings, str]:
    """The settings with which the running stack is found, and its name.

    Raises:
        ConfigurationError: several stacks were left running and none is named, or the named one does not run.
    """
    usual = load_settings()
    if run_dir is None and _BROKER in process_environment():
        return usual, usual.kafka.bootstrap_servers
    folders = kept.run_dirs(usual.run_dir.parent) if run_dir is None else [run_dir]
    running = [folder for folder in folders if any(process.alive() for process in kept.read(folder))]
    if len(running) > 1:
        raise ConfigurationError(
            f"Several stacks were left running: {', '.join(map(str, running))}.", "Name one of them with --run-dir."
        )
    if running:
        return override_settings(kept.environment(running[0])), str(running[0])
    if run_dir is not None:
        raise ConfigurationError(f"No stack was left running in {run_dir}.", "Start one with `make demo KEEP=1`.")
    return usual, usual.kafka.bootstrap_servers


def _event_id(text: str) -> str:
    return str(uuid.UUID(text))


if __name__ == "__main__":
    run_main(main)
