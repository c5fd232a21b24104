"""Start, show and stop the host platform's servers by hand.

`up kafka redis sail` runs until Ctrl-C; with `--keep` it leaves them running, and `down` stops them. `down` and
`status` without `--run-dir` mean every run folder beside the usual one, so also what `make demo KEEP=1` left.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shared_utils.cli import run_main
from shared_utils.local_stack import LocalStack, kept
from shared_utils.local_stack.spec import load_specs
from shared_utils.settings import load_settings

_MIB = 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of `up`, `down`, `status`."""
    parser = argparse.ArgumentParser(prog="python -m shared_utils.local_stack", description=__doc__)
    parser.add_argument("--run-dir", type=Path, help="data and logs of the servers")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="start servers")
    up.add_argument("names", nargs="+", choices=sorted(load_specs()), metavar="NAME", help=", ".join(load_specs()))
    up.add_argument("--keep", action="store_true", help="leave them running")
    verbs.add_parser("down", help="stop what `up --keep` left running")
    verbs.add_parser("status", help="show what `up --keep` left running")
    args = parser.parse_args(argv)
    console, usual = Console(highlight=False), load_settings().run_dir
    if args.verb == "up":
        return _up(console, args.run_dir or usual, args.names, keep=args.keep)
    run_dirs = [args.run_dir] if args.run_dir else kept.run_dirs(usual.parent)
    return _down(console, run_dirs) if args.verb == "down" else _status(console, run_dirs)


def exports(stack: LocalStack) -> list[str]:
    """The stack's settings as shell commands; a secret is named by its file, so that no terminal or log shows it."""
    shown = {value: f'"$(cat {path})"' for value, path in stack.secret_files().items()}
    return [f"export {key}={shown.get(value, value)}" for key, value in stack.settings_env().items()]


def _up(console: Console, run_dir: Path, names: Sequence[str], *, keep: bool) -> int:
    stack = LocalStack(run_dir, names)
    stack.start()
    try:
        console.print(_table(stack))
        for line in exports(stack):
            console.print(line, markup=False, soft_wrap=True)
        if keep:
            console.print(
                f"Left running; {stack.detach()} says what. Stop with: python -m shared_utils.local_stack down"
            )
        else:
            console.print("Ctrl-C stops them.")
            ends = {signal.SIGINT, signal.SIGTERM}
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # only now: the servers would inherit it
            signal.sigwait(ends)
    finally:
        if not keep:
            stack.stop()
    return 0


def _table(stack: LocalStack) -> Table:
    table = Table("server", "address", "start s", "RSS MiB", "log")
    for name in stack.names:
        rss = f"{stack.rss_bytes(name) / _MIB:.0f}"
        table.add_row(name, stack.address(name), f"{stack.startup_seconds(name):.1f}", rss, str(stack.log_path(name)))
    return table


def _down(console: Console, run_dirs: Iterable[Path]) -> int:
    stopped = [name for run_dir in run_dirs for name in kept.stop(run_dir)]
    console.print(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")
    return 0


def _status(console: Console, run_dirs: Iterable[Path]) -> int:
    table = Table("server", "address", "pid", "state", "run")
    for run_dir in run_dirs:
        for process in kept.read(run_dir):
            state = "runs" if process.alive() else "gone"
            table.add_row(process.name, process.address, str(process.pid), state, str(run_dir))
    console.print(table)
    return 0


if __name__ == "__main__":
    run_main(main)
