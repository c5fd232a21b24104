"""`make up-report`: what the running stack costs: memory of each service now, image sizes; a cold build on demand."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from production_ops.compose_stack.preflight import NEEDS

_COMPOSE: Final = ("docker", "compose", "--profile", "*")
_UNITS: Final = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_MIB: Final = 1024**2
_MB: Final = 1000**2


@dataclass(frozen=True, slots=True)
class Running:
    """One container: its service and image, the memory that it holds and may hold (bytes)."""

    service: str
    image: str
    memory_bytes: int
    limit_bytes: int


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="make up-report", description=__doc__)
    parser.add_argument("--cold-build", action="store_true", help="first build every image anew, without cached layers")
    arguments = parser.parse_args(argv)
    found = running()  # before a build takes the names of the images that run
    if arguments.cold_build:
        sys.stdout.write(f"Cold build: {cold_build():.0f} s\n\n")
    sys.stdout.write(memory_table(found) + "\n" + size_table(image_bytes({one.image for one in found})))
    return 0


def cold_build() -> float:
    """Seconds to build all images without a cached layer; package downloads that were cached stay so."""
    started = time.monotonic()
    for profiles in (["bases"], sorted(NEEDS)):
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        command = ("docker", "compose", *chosen, "build", "--quiet", "--no-cache")
        subprocess.run(command, check=True)  # noqa: S603 (fixed commands)
    return time.monotonic() - started


def running() -> list[Running]:
    """Every container of the stack that runs now."""
    containers = [json.loads(line) for line in _output(*_COMPOSE, "ps", "--format", "json").splitlines()]
    names = [str(one["Name"]) for one in containers]
    stats = [
        json.loads(line) for line in _output("docker", "stats", "--no-stream", "--format", "json", *names).splitlines()
    ]
    usage = {str(one["Name"]): str(one["MemUsage"]).split(" / ") for one in stats}
    return [
        Running(str(one["Service"]), str(one["Image"]), *map(to_bytes, usage[str(one["Name"])])) for one in containers
    ]


def image_bytes(images: set[str]) -> dict[str, int]:
    """The size of each image; layers that images share count in each."""
    return {image: int(_output("docker", "image", "inspect", "--format", "{{.Size}}", image)) for image in images}


def to_bytes(text: str) -> int:
    """Bytes of a size as the engine writes it: `235.1MiB`."""
    match = re.fullmatch(r"([\d.]+)([A-Za-z]+)", text.strip())
    if match is None:
        raise ValueError(f"{text} is no size")
    return round(float(match[1]) * _UNITS[match[2]])


def memory_table(found: Sequence[Running]) -> str:
    """Services by the memory that they hold."""
    lines = [f"{'service':<18}{'MiB now':>9}{'limit MiB':>11}"]
    lines += [
        f"{one.service:<18}{one.memory_bytes / _MIB:>9.0f}{one.limit_bytes / _MIB:>11.0f}"
        for one in sorted(found, key=lambda one: -one.memory_bytes)
    ]
    return "\n".join([*lines, f"{'all':<18}{sum(one.memory_bytes for one in found) / _MIB:>9.0f}", ""])


def size_table(sizes: dict[str, int]) -> str:
    """Images by size."""
    lines = [f"{'image':<38}{'MB':>7}"]
    lines += [f"{image:<38}{size / _MB:>7.0f}" for image, size in sorted(sizes.items(), key=lambda item: -item[1])]
    return "\n".join([*lines, ""])


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 (fixed commands)


if __name__ == "__main__":
    sys.exit(main())
