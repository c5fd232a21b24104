"""Look at this machine as the platform will: versions, environments, memory, disk, ports, clock. Says what to do.

Status 1 when something would stop the platform from working.
"""

from __future__ import annotations

import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shared_utils.cli import run_main
from shared_utils.local_stack import kept
from shared_utils.local_stack.ports import LOOPBACK, free_port
from shared_utils.settings import REPO_ROOT, load_settings
from shared_utils.time_utils import Clock, system_clock

_GIB = 1024**3
_JAVA_AT_LEAST = 17
_MEMORY_GIB = (4.0, 6.0)  # blocking below the first, a warning below the second
_DISK_GIB = (2.0, 8.0)
_OPEN_FILES = 1024
_PROBE_SECONDS = 20
_ENVIRONMENTS = {"platform": "requirements/platform.txt", "spark": "requirements/spark.txt"}
_JARS = {"kafka": "kafka_2.13-*.jar", "spark": "delta-spark_*.jar"}


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warning"
    FAIL = "blocking"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    found: str
    remedy: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the findings; 1 when one of them is blocking."""
    findings = examine()
    table = Table("", "what", "found", "what to do", title="make doctor")
    colours = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}
    for finding in findings:
        mark = f"[{colours[finding.level]}]{finding.level}[/]"
        table.add_row(mark, finding.subject, finding.found, finding.remedy)
    Console().print(table)
    return exit_code(findings)


def examine() -> list[Finding]:
    """All findings about this machine and this checkout."""
    runs = load_settings().run_dir.parent
    checks: list[Callable[[], Finding]] = [
        lambda: judge_python(sys.version_info[:2]),
        lambda: judge_java(_output("java", "-version")),
        *(lambda name=name: judge_program(name, shutil.which(name)) for name in ("mvn", "redis-server", "git")),
        *(lambda name=name: judge_environment(name, REPO_ROOT) for name in _ENVIRONMENTS),
        *(lambda name=name: judge_jars(name, REPO_ROOT) for name in _JARS),
        lambda: judge_room("memory", available_memory(), _MEMORY_GIB, "Close other programs."),
        lambda: judge_room(
            "disk", shutil.disk_usage(REPO_ROOT).free, _DISK_GIB, "Free some space; `make clean` helps."
        ),
        lambda: judge_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        judge_loopback,
        lambda: judge_clock(system_clock, newest_source(REPO_ROOT)),
        lambda: judge_kept(runs),
    ]
    return [check() for check in checks]


def exit_code(findings: Iterable[Finding]) -> int:
    """1 when a finding is blocking, else 0."""
    return int(any(finding.level is Level.FAIL for finding in findings))


def judge_python(version: tuple[int, ...]) -> Finding:
    """The interpreter of the platform environment must be 3.11 or 3.12."""
    fits = version in ((3, 11), (3, 12))
    text = ".".join(map(str, version))
    remedy = "" if fits else "Delete .venvs and run `make setup PYTHON=/path/to/python3.12`."
    return Finding("python", Level.OK if fits else Level.FAIL, text, remedy)


def judge_java(output: str) -> Finding:
    """What `java -version` printed; empty when there is no java."""
    match = re.search(r'version "(\d+)[^"]*"', output)
    if match is None:
        return Finding("java", Level.FAIL, "not found", "Run `make setup`: it installs it or names the command.")
    fits = int(match[1]) >= _JAVA_AT_LEAST
    remedy = "" if fits else f"Put Java {_JAVA_AT_LEAST} or newer first on the PATH."
    return Finding("java", Level.OK if fits else Level.FAIL, match[0].removeprefix("version "), remedy)


def judge_program(name: str, path: str | None) -> Finding:
    """Whether a program is on the PATH."""
    if path is None:
        return Finding(name, Level.FAIL, "not found", "Run `make setup`: it installs it or names the command.")
    return Finding(name, Level.OK, path)


def judge_environment(name: str, repo: Path) -> Finding:
    """Whether an environment was made from its present lock."""
    subject, done, lock = f"environment {name}", repo / ".venvs" / name / ".done", repo / _ENVIRONMENTS[name]
    if not done.exists():
        return Finding(subject, Level.FAIL, "not made by make", "Run `make setup`.")
    if done.stat().st_mtime < lock.stat().st_mtime:
        return Finding(subject, Level.WARN, f"older than {lock.name}", "Run `make setup`.")
    return Finding(subject, Level.OK, "as its lock says")


def judge_jars(name: str, repo: Path) -> Finding:
    """Whether an engine's jars are there."""
    folder = repo / "build" / "jars" / name
    jars = list(folder.glob("*.jar"))
    if not list(folder.glob(_JARS[name])):
        return Finding(f"jars {name}", Level.FAIL, f"{len(jars)} jars, none like {_JARS[name]}", "Run `make setup`.")
    return Finding(f"jars {name}", Level.OK, f"{len(jars)} jars")


def judge_room(subject: str, free_bytes: int, limits_gib: tuple[float, float], remedy: str) -> Finding:
    """Free memory or disk against a blocking and a warning limit."""
    free = free_bytes / _GIB
    level = Level.FAIL if free < limits_gib[0] else Level.WARN if free < limits_gib[1] else Level.OK
    return Finding(subject, level, f"{free:.1f} GiB free", "" if level is Level.OK else remedy)


def judge_open_files(limit: int) -> Finding:
    """How many files a process may open (the broker and the lake hold many); -1 means without limit."""
    if limit not in (-1, resource.RLIM_INFINITY) and limit < _OPEN_FILES:
        return Finding("open files", Level.WARN, str(limit), f"Run `ulimit -n {_OPEN_FILES}`.")
    return Finding("open files", Level.OK, str(limit))


def judge_loopback() -> Finding:
    """Whether a server on loopback can be reached: no firewall, no missing interface."""
    try:
        with socket.create_server((LOOPBACK, free_port())) as server:
            port = server.getsockname()[1]
            socket.create_connection((LOOPBACK, port), timeout=2).close()
    except OSError as exc:
        return Finding("loopback ports", Level.FAIL, str(exc), "Bring the loopback interface up (`ip link set lo up`).")
    return Finding("loopback ports", Level.OK, "free and reachable")


def judge_clock(clock: Clock, newest: datetime) -> Finding:
    """The clock may not lie before the newest source file: tokens and event times would be refused as future ones."""
    now = clock()
    if now + timedelta(minutes=1) < newest:
        found = f"{now:%Y-%m-%d %H:%M} UTC is before this checkout"
        return Finding("clock", Level.FAIL, found, "Set the clock (`timedatectl set-ntp true`).")
    return Finding("clock", Level.OK, f"{now:%Y-%m-%d %H:%M} UTC")


def judge_kept(runs: Path) -> Finding:
    """Servers that an earlier `KEEP=1` left running, in any run folder under `runs`."""
    records = (process for run_dir in kept.run_dirs(runs) for process in kept.read(run_dir))
    running = [process.name for process in records if process.alive()]
    if running:
        return Finding("left running", Level.WARN, ", ".join(running), "`make down` stops them.")
    return Finding("left running", Level.OK, "nothing")


def available_memory() -> int:
    """Memory that can be had without swapping, in bytes; a container's own limit counts."""
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(meminfo["MemAvailable"].split()[0]) * 1024
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    return available if text == "max" else min(available, int(text))


def newest_source(repo: Path) -> datetime:
    """When the newest of the files that every checkout has was written."""
    files = [path for path in (repo / "pyproject.toml", repo / "Makefile") if path.exists()]
    return datetime.fromtimestamp(max((path.stat().st_mtime for path in files), default=0.0), UTC)


def _output(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(  # noqa: S603 (fixed commands)
        command, capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS
    )
    return done.stdout + done.stderr


if __name__ == "__main__":
    run_main(main)
