"""A small process beside a stack: when the stack's owner dies, however it dies, it kills what the owner started.

It reads lines from the pipe that only the owner holds: `+GROUP` (watch), `-GROUP` (stopped), `detach` (let all
live). The end of the pipe is the end of the owner. Started as a file with the standard library alone: it stays small.
PR_SET_PDEATHSIG is no substitute: it follows the starting thread, not the process, and does not reach grandchildren.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path


def watch(lines: Iterable[str]) -> set[int]:
    """The process groups that are still the owner's when its pipe ends."""
    groups: set[int] = set()
    for line in map(str.strip, lines):
        if line == "detach":
            groups.clear()
        elif line.startswith("+"):
            groups.add(int(line[1:]))
        elif line.startswith("-"):
            groups.discard(int(line[1:]))
    return groups


def groups_of_session(session: int) -> set[int]:
    """The process groups of a session: a server may put its workers into groups of their own."""
    groups = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                groups.add(int(fields[2]))
    return groups


def main() -> None:
    """Wait for the owner's end, then kill its groups and those of their sessions."""
    for group in watch(sys.stdin):
        for each in (group, *groups_of_session(group)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
