"""How long each container of a stack took to start, by the engine's own events."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_WATCHED: Final = ("start", "health_status", "die")
_READY: Final = ("health_status: healthy", "die")
_NS: Final = 1e9


@contextmanager
def recorded(project: str, target: Path) -> Iterator[None]:
    """Write the events of a project's containers to a file while the block runs, a JSON document a line."""
    filters = (f"--filter=label=com.docker.compose.project={project}", *(f"--filter=event={name}" for name in _WATCHED))
    with target.open("w", encoding="utf-8") as lines:
        listener = subprocess.Popen(("docker", "events", "--format=json", *filters), stdout=lines)
        try:
            yield
        finally:
            listener.terminate()
            listener.wait()


def start_seconds(lines: Iterable[str]) -> dict[str, float]:
    """Of each service's first start: seconds until it was healthy, or until its end if nothing asks for its health."""
    began: dict[str, int] = {}
    took: dict[str, float] = {}
    for event in map(json.loads, lines):
        service, at = event["Actor"]["Attributes"]["com.docker.compose.service"], event["timeNano"]
        if event["Action"] == "start":
            began.setdefault(service, at)
        elif event["Action"] in _READY and service in began:
            took.setdefault(service, (at - began[service]) / _NS)
    return took


def start_table(took: dict[str, float]) -> str:
    """Services by the time that they took."""
    rows = sorted(took.items(), key=lambda row: -row[1])
    return "\n".join([f"{'service':<22}{'s to start':>11}", *(f"{name:<22}{each:>11.1f}" for name, each in rows), ""])
