"""Break what the platform promises to survive (`make prove-faults`): one table of faults, figures and verdicts.

Runs the tests whose names bear a fault's id, seeded. Writes `faults.json`, and pytest's log and report of each fault.
Exit code: 0 when every row is PASS, else 1; a fault without a test is NOT RUN and no pass.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from production_ops.faults.catalogue import FAULTS, Fault
from production_ops.faults.discovery import nodes_by_fault
from production_ops.faults.running import Plan, Row, Verdict, run_fault
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError
from shared_utils.settings import REPO_ROOT

_WIDTH: Final = 150
_COLOURS: Final = {Verdict.PASS: "green", Verdict.SKIPPED: "yellow"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the faults that were asked for, print their table and write it."""
    arguments = _parser().parse_args(argv)
    plan = Plan(arguments.seed, not arguments.short, arguments.out.resolve(), arguments.seconds)
    plan.out.mkdir(parents=True, exist_ok=True)
    # An exit like any other, so that the tests under way end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    nodes = nodes_by_fault(REPO_ROOT / "tests", REPO_ROOT)
    rows: list[Row] = []
    for fault in _chosen(arguments.only):
        with console.status(f"{fault.id} {fault.name}"):
            row = run_fault(fault, nodes.get(fault.id, []), plan)
        rows.append(row)
        console.print(f"  {_coloured(row.verdict)} {fault.id} {fault.name} [dim]{row.seconds:.0f} s[/]")
    console.print(_table(rows, plan))
    _print_failures(rows, console)
    target = plan.out / "faults.json"
    target.write_text(json.dumps({"seed": plan.seed, "full": plan.full, "rows": list(map(asdict, rows))}, indent=1))
    held = sum(row.verdict is Verdict.PASS for row in rows)
    console.print(f"{held} of {len(rows)} faults held, seed {plan.seed}; written: {target}", soft_wrap=True)
    return 0 if held == len(rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make prove-faults", description=__doc__)
    parser.add_argument("--only", default="", help="ids with commas, such as F1,F4,B2")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="default: a new one each run")  # noqa: S311
    parser.add_argument("--short", action="store_true", help="the sizes of make test")
    parser.add_argument("--seconds", type=float, default=1_800.0, help="how long one fault may take")
    parser.add_argument("--out", type=Path, default=REPO_ROOT / "build" / "faults", help="folder for logs and reports")
    return parser


def _chosen(text: str) -> Sequence[Fault]:
    wanted = [name.strip().upper() for name in text.split(",") if name.strip()]
    known = {fault.id: fault for fault in FAULTS}
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigurationError(f"There is no fault {', '.join(unknown)}.", f"Name some of {', '.join(known)}.")
    return [known[name] for name in wanted] or FAULTS


def _table(rows: Sequence[Row], plan: Plan) -> Table:
    size = "whole" if plan.full else "short"
    table = Table(title=f"Faults, seed {plan.seed}, {size}", title_justify="left", pad_edge=False, show_lines=True)
    table.add_column("id")
    table.add_column("fault", ratio=3)
    table.add_column("expected", ratio=4)
    table.add_column("seen", ratio=5)
    table.add_column("", width=7)
    table.add_column("s", justify="right")
    for row in rows:
        cells = (row.fault.id, row.fault.name, row.fault.expected, row.seen)
        table.add_row(*cells, _coloured(row.verdict), f"{row.seconds:.0f}")
    return table


def _print_failures(rows: Sequence[Row], console: Console) -> None:
    for row in rows:
        if row.said:
            console.print(f"{row.fault.id} {row.verdict}: {row.said}", markup=False, soft_wrap=True)
        for case in row.cases:
            if case.verdict is not Verdict.PASS:
                console.print(f"{row.fault.id} {case.verdict}: {case.said}", markup=False, soft_wrap=True)
                console.print(f"  again: {case.replay}", markup=False, soft_wrap=True)


def _coloured(verdict: Verdict) -> str:
    return f"[{_COLOURS.get(verdict, 'red')}]{verdict}[/]"


if __name__ == "__main__":
    run_main(main)
