"""The journey of one click: produced, in Kafka, in Flink, in Redis, in which decisions, in the lake; each hop's delay.

Reads topics, bronze and silver tables and Redis of the stack that runs: the one that the environment names, else the
one that `make demo KEEP=1` or `up --keep` left running. Changes nothing.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Sequence
from pathlib import Path

import orjson
from rich.console import Console

from production_ops.running_stack import stack_settings
from production_ops.trace.core.journey import journey
from production_ops.trace.readers import evidence_of, newest_click
from production_ops.trace.report import as_json, print_journey
from shared_utils.cli import run_main


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


def _event_id(text: str) -> str:
    return str(uuid.UUID(text))


if __name__ == "__main__":
    run_main(main)
