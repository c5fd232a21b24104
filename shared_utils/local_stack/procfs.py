"""Facts about processes from Linux's /proc: who is in a group, what it weighs, which port it listens on."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command name: state, ppid, pgrp, ...; empty when it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def group_members(group: int) -> list[int]:
    """The living (not zombie) processes of a process group, and of the groups that its session has besides.

    A server may put each of its workers into a group of its own (Airflow does); it stays in its leader's session.
    """
    members = []
    for pid in _pids():
        fields = _stat_fields(pid)
        if fields and fields[0] != "Z" and group in (int(fields[2]), int(fields[3])):
            members.append(pid)
    return members


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to the members of a group; those that end meanwhile are passed over."""
    for pid in group_members(group):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def set_niceness(group: int, niceness: int) -> None:
    """How urgent the threads of a group are (-20 to 19, 0 is usual); new threads take after the one that starts them.

    Linux may share the CPU between sessions before it does so between their threads (`sched_autogroup`): a session has
    a niceness of its own, which is set too if the group's leader leads one.

    Raises:
        PermissionError: more urgency than before is for root.
    """
    os.setpriority(os.PRIO_PGRP, group, niceness)
    with contextlib.suppress(FileNotFoundError):  # a kernel without it
        if os.getsid(group) == group:
            (_PROC / str(group) / "autogroup").write_text(str(niceness))


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot: with the pid it names one process for ever. None when gone."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def marked_with(variable: str, value: str) -> list[int]:
    """The living processes whose environment at start held `variable=value`: also those that left their group."""
    needle = f"{variable}={value}".encode()
    found = []
    for pid in _pids():
        try:
            environ = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if needle in environ and start_ticks(pid) is not None:
            found.append(pid)
    return found


def memory_bytes(pids: Iterable[int]) -> tuple[int, int]:
    """Resident memory of these processes now, and the sum of each one's peak, in bytes."""
    now = peak = 0
    for pid in pids:
        try:
            lines = (_PROC / str(pid) / "status").read_text().splitlines()
        except OSError:
            continue
        kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
        now += kib.get("VmRSS", 0) * 1024
        peak += kib.get("VmHWM", 0) * 1024
    return now, peak


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def listens_on(pids: Iterable[int], port: int) -> bool:
    """Whether one of these processes holds the listening socket of `port`."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for pid in pids:
        try:
            descriptors = list((_PROC / str(pid) / "fd").iterdir())
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                if str(descriptor.readlink()) in wanted:
                    return True
            except OSError:
                continue
    return False
