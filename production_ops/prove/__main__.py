"""`python -m production_ops.prove`: plant one fault at a time and watch its proof go red.

A small healthy world is built first and every proof must hold on it. Then each fault is planted and its proof asked
again: a proof that stays green has not proven anything. Writes only under `--run-dir` (build/prove). Exit status 1
when a proof fails on the healthy world or a fault is not seen.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data_sources.calendar import Calendar
from production_ops.demo.evidence import load_offline
from production_ops.demo.outcome import Outcome
from production_ops.demo.run import DATA_SERVERS, SERVERS, ask_for_shelves, build_world, prove_shelves, start_servers
from production_ops.demo.world import World
from production_ops.proofs.result import ProofResult
from production_ops.prove import plants
from production_ops.prove.ground import Ground
from shared_utils.cli import run_main
from shared_utils.local_stack import LocalStack
from shared_utils.logging_config import configure_logging
from shared_utils.settings import load_settings

CUSTOMERS = 600
GATE = "recommender against peers"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is broken, and the proof's answer over it."""

    name: str
    planted: Callable[[Ground], ProofResult]


def faults(world: World) -> list[Fault]:
    """One fault each."""
    return [
        Fault("a lost event", lambda g: g.ledger(plants.LOST_EVENT)),
        Fault("a duplicated batch", lambda g: g.ledger(plants.DUPLICATED_BATCH)),
        Fault("a feature's clock one hour late", lambda g: g.served(plants.SKEWED_CLOCK)),
        Fault("a unit change (cents to dollars)", lambda g: g.served(plants.CHANGED_UNIT)),
        Fault("a feature filled with a default", lambda g: g.served(plants.DEFAULT_FILLED)),
        Fault("a stale online store", lambda g: g.served(None, as_of=world.as_of - DAY)),
        Fault("a future value in gold", lambda g: g.training_rows(plants.LEAKED_FUTURE)),
        Fault("a future value in the offline store", lambda g: g.leaking_offline_store()),
        Fault("a model trained on shuffled labels", lambda g: g.trained(plants.shuffled_labels)),
    ]


def healthy(outcome: Outcome, ground: Ground) -> dict[str, ProofResult]:
    """The proofs on the world as it is, by name; one store is filled through the same road as the planted ones."""
    proofs = {result.name: result for result in outcome.results}
    proofs[GATE] = ground.trained_well()
    again = ground.served(None)
    return proofs if proofs[again.name].passed and again.passed else {**proofs, again.name: again}


def saw(result: ProofResult) -> bool:
    """Whether a proof failed and says at what; one that got nothing to look at has not seen the fault."""
    return not result.passed and bool(result.findings)


def run(world: World, console: Console) -> bool:
    """Build, check, break; whether every proof held before and none held after."""
    started = time.monotonic()
    shutil.rmtree(world.run_dir, ignore_errors=True)
    stack, outcome = LocalStack(world.run_dir, SERVERS), Outcome()
    stack.set_environment(world.environment())
    try:
        start_servers(stack, console, DATA_SERVERS)
        settings = build_world(world, stack, console, outcome)
        token = ask_for_shelves(world, stack, settings, console, outcome)
        prove_shelves(world, settings, outcome, load_offline(world))
        ground = Ground(world, stack, settings, token)
        proofs = healthy(outcome, ground)
        table, sound = _table(), all(result.passed for result in proofs.values())
        console.print("[bold]Broken on purpose[/]")
        seen = 0
        for fault in (planned := faults(world)):
            with console.status(fault.name):
                result = fault.planted(ground)
            found = saw(result)
            seen += found
            _row(table, fault, proofs[result.name], result)
            console.print(f"  {'[green]✓[/] seen' if found else '[red]✗[/] not seen'}: {fault.name}")
    finally:
        stack.stop()
    console.print(table)
    for result in proofs.values():
        if not result.passed:
            console.print(f"Not healthy before anything was broken: {result.name}: {result.figure}", style="red")
    console.print(f"{seen} of {len(planned)} faults seen, {time.monotonic() - started:.0f} s")
    return sound and seen == len(planned)


def _table() -> Table:
    table = Table(title="Broken on purpose", title_justify="left", pad_edge=False, show_lines=True)
    table.add_column("what is broken", style="bold", ratio=2)
    table.add_column("proof", ratio=2)
    table.add_column("before", width=6)
    table.add_column("after", width=5)
    table.add_column("what the proof says then", ratio=5)
    return table


def _row(table: Table, fault: Fault, before: ProofResult, after: ProofResult) -> None:
    said = after.findings[0] if after.findings else after.figure
    good = "green" if before.passed else "red"
    table.add_row(
        fault.name,
        after.name,
        f"[{good}]{before.word}[/]",
        # Red is what is wanted here.
        f"[{'red' if after.passed else 'green'}]{after.word}[/]",
        said,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 1 when a fault is not seen."""
    parser = argparse.ArgumentParser(prog="make prove", description=__doc__)
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="households of the world (parity needs 500)")
    parser.add_argument("--run-dir", type=Path, default=Path("build/prove"), help="folder of the run, emptied first")
    arguments = parser.parse_args(argv)
    # The steps are printed as they end; lines of what runs in this process would come between them.
    configure_logging(json=False, level="WARNING")
    world = World(arguments.run_dir.resolve(), Calendar.from_settings(load_settings().calendar), arguments.customers)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    return 0 if run(world, console) else 1


if __name__ == "__main__":
    run_main(main)
