"""Airflow on host processes until Ctrl-C, over the lake of a run: what `make airflow` starts.

Servers that a kept stack of that run already has (`make demo KEEP=1`) are used; the batch engine and the online store
are started where they are not.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from shared_utils.cli import run_main
from shared_utils.local_stack import LocalStack, kept
from shared_utils.settings import load_settings

AIRFLOW: Final = ("airflow_api", "airflow_scheduler", "airflow_dag_processor", "airflow_triggerer")
BESIDE: Final = ("redis", "sail")


def main(argv: Sequence[str] | None = None) -> int:
    """Start, say where to look and with which password, and wait for the end."""
    parser = argparse.ArgumentParser(prog="python -m airflow_orchestration", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=load_settings().run_dir, help="the run whose lake to work on")
    run_dir = parser.parse_args(argv).run_dir
    running = {process.name for process in kept.read(run_dir) if process.alive()}
    console = Console(highlight=False, soft_wrap=True)
    stack = LocalStack(run_dir, [name for name in (*BESIDE, *AIRFLOW) if name not in running])
    if running:
        stack.set_environment(kept.environment(run_dir))
    with console.status("Starting Airflow (a minute or two the first time)"):
        stack.start()
    try:
        console.print(
            f"Airflow is at http://{stack.address('airflow_api')}, over the lake in {stack.run_dir / 'lake'}."
        )
        console.print(f"User admin; the password is in {stack.run_dir / 'airflow' / 'secrets' / 'passwords.json'}.")
        console.print("Ctrl-C stops it.")
        ends = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # only now: the servers would inherit it
        signal.sigwait(ends)
    finally:
        stack.stop()
    return 0


if __name__ == "__main__":
    run_main(main)
