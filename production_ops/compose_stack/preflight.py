"""What would stop `make up`, said before anything is built: no engine, a taken port, too little memory or disk.

`python3 -m production_ops.compose_stack.preflight --profile core observe`. Writes `config/installation.env` at the
first start: nothing can be read from the compose files without it. Status 1 when the stack cannot start here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from production_ops.compose_stack import first_start

REPO: Final = Path(__file__).resolve().parents[2]
INSTALLATION: Final = REPO / "config" / "installation.env"
_GIB: Final = 1024**3
_COMPOSE_AT_LEAST: Final = (2, 24)
_PROBE_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class Need:
    """What a profile takes beside the others, in GiB: memory at its first load, disk for images and data."""

    memory: float
    disk: float


NEEDS: Final[Mapping[str, Need]] = {
    "core": Need(memory=5.0, disk=8.0),
    "streaming": Need(memory=3.5, disk=4.0),
    "batch": Need(memory=4.0, disk=3.0),
    "observe": Need(memory=0.5, disk=1.0),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is wrong, one line each with its remedy; 1 when something is."""
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    parser.add_argument("--profile", nargs="+", choices=sorted(NEEDS), default=["core"])
    profiles = sorted({"core", *parser.parse_args(argv).profile})
    faults = engine_faults(_output("docker", "version", "--format", "{{.Server.Version}}"), _compose_version())
    if not faults:
        made = first_start.ensure(INSTALLATION, datetime.now(UTC).date())
        if made:
            sys.stdout.write(f"Made {', '.join(made)} in {INSTALLATION.relative_to(REPO)} (mode 600).\n")
        if not _output("docker", "compose", "--profile", "core", "ps", "--quiet").strip():
            faults = room_faults(profiles, _memory_bytes(), _disk_bytes()) + port_faults(_ports())
    for fault in faults:
        sys.stderr.write(f"make up: {fault}\n")
    return int(bool(faults))


def engine_faults(engine: str, compose: str) -> list[str]:
    """Whether an engine answers and Compose is new enough, from what they say of their versions."""
    if not engine.strip():
        return ["no Docker engine answers. Start it, or install it: https://docs.docker.com/engine/install/."]
    numbers = tuple(int(part) for part in compose.strip().lstrip("v").split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < _COMPOSE_AT_LEAST:
        wanted = ".".join(map(str, _COMPOSE_AT_LEAST))
        return [f"Docker Compose {compose.strip() or 'is missing'}; {wanted} or newer is needed. Install its plugin."]
    return []


def room_faults(profiles: Sequence[str], memory_bytes: int, disk_bytes: int) -> list[str]:
    """Whether the profiles fit into what is free."""
    memory, disk = (sum(getattr(NEEDS[name], room) for name in profiles) for room in ("memory", "disk"))
    rooms = (
        (
            "memory",
            memory_bytes,
            memory,
            "Start less (PROFILE=core), or set STACK_CUSTOMERS in config/compose.env.",
        ),
        ("disk", disk_bytes, disk, "`docker system prune` frees what nothing uses."),
    )
    return [
        f"{free / _GIB:.1f} GiB of {name} are free; {' and '.join(profiles)} take {wanted:.1f}. {remedy}"
        for name, free, wanted, remedy in rooms
        if free < wanted * _GIB
    ]


def port_faults(ports: Iterable[int]) -> list[str]:
    """Which of the published ports somebody else has."""
    return [
        f"port {port} is taken. Free it, or set another STACK_ port in config/compose.env."
        for port in ports
        if _is_taken(port)
    ]


def _is_taken(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False


def _ports() -> list[int]:
    services = json.loads(_output("docker", "compose", "--profile", "core", "config", "--format", "json"))["services"]
    return [int(port["published"]) for service in services.values() for port in service.get("ports", [])]


def _memory_bytes() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _disk_bytes() -> int:
    folder = Path(_output("docker", "info", "--format", "{{.DockerRootDir}}").strip())
    return shutil.disk_usage(folder if folder.is_dir() else REPO).free


def _compose_version() -> str:
    return _output("docker", "compose", "version", "--short")


def _output(*command: str) -> str:
    try:
        return subprocess.run(  # noqa: S603 (fixed commands)
            command, capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS
        ).stdout
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
