"""What one Flink job is: its name, its topics and its SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared_utils.settings import Settings


@dataclass(frozen=True)
class Statements:
    """SQL of one job: tables and views first, then the inserts, which run as one job on shared sources."""

    definitions: tuple[str, ...]
    inserts: tuple[str, ...]


@dataclass(frozen=True)
class FlinkJob:
    """A job. `name` is also the name of its checkpoints' folder: changing it starts over.

    `build` gives the SQL, a pure function of the settings. `files` are what must lie there before a start. `options`
    are those of Flink in which the job differs from the others.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    build: Callable[[Settings], Statements]
    files: Callable[[Settings], tuple[Path, ...]] = lambda _: ()
    options: Mapping[str, str] = field(default_factory=dict)
