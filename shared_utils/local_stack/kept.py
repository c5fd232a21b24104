"""A stack that was left running: a record in its run folder, by which another process stops exactly those processes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared_utils.errors import DataError, DependencyError
from shared_utils.local_stack import procfs
from shared_utils.local_stack.managed import ManagedProcess

_FILE = "stack.json"
_GRACE_SECONDS = 15.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class KeptProcess:
    """A process that was left running. `ticks` (its start) tells it from a later process with the same pid."""

    name: str
    pid: int
    ticks: int
    address: str

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return procfs.start_ticks(self.pid) == self.ticks


def write(run_dir: Path, processes: Iterable[ManagedProcess], env: Mapping[str, str]) -> Path:
    """Record what runs now and the settings of its clients."""
    entries = [
        {"name": process.name, "pid": pid, "ticks": procfs.start_ticks(pid), "address": process.address}
        for process in processes
        if (pid := process.pid) is not None
    ]
    path = run_dir / _FILE
    path.touch(mode=0o600)  # the settings hold keys
    path.chmod(0o600)
    path.write_text(json.dumps({"processes": entries, "env": dict(env)}, indent=2) + "\n", encoding="utf-8")
    return path


def run_dirs(parent: Path) -> list[Path]:
    """The run folders under `parent` with a record, e.g. of `up --keep` and of `make demo KEEP=1`."""
    return sorted(path.parent for path in parent.glob(f"*/{_FILE}"))


def read(run_dir: Path) -> list[KeptProcess]:
    """What was left running there, in starting order; nothing when there is no record.

    Raises:
        DataError: the record is damaged.
    """
    try:
        return [KeptProcess(**entry) for entry in _record(run_dir)["processes"]]
    except (KeyError, TypeError) as exc:
        raise _damaged(run_dir, exc) from exc


def environment(run_dir: Path) -> dict[str, str]:
    """The settings of the clients of what was left running there. Raises DataError like `read`."""
    try:
        return dict(_record(run_dir)["env"])
    except (KeyError, TypeError, ValueError) as exc:
        raise _damaged(run_dir, exc) from exc


def stop(run_dir: Path) -> list[str]:
    """Stop what was left running; the names of those that still ran.

    Raises:
        DependencyError: a process survives.
    """
    running = [process for process in reversed(read(run_dir)) if process.alive()]
    for number, grace in ((signal.SIGCONT, 0.0), (signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _GRACE_SECONDS)):
        for process in running:
            procfs.signal_group(process.pid, number)
        _wait(running, grace)
    survivors = [process.name for process in running if procfs.group_members(process.pid)]
    if survivors:
        raise DependencyError(f"{', '.join(survivors)} survive SIGKILL.", "See `ps` and dmesg.")
    (run_dir / _FILE).unlink(missing_ok=True)
    return [process.name for process in running]


def _record(run_dir: Path) -> dict[str, Any]:
    path = run_dir / _FILE
    if not path.exists():
        return {"processes": [], "env": {}}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as exc:
        raise _damaged(run_dir, exc) from exc


def _damaged(run_dir: Path, exc: Exception) -> DataError:
    return DataError(f"{run_dir / _FILE} is damaged ({exc!r}).", "Stop the processes by hand and delete it.")


def _wait(processes: Iterable[KeptProcess], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(process.alive() for process in processes) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
