"""How much memory a run needs at once: its servers, its jobs and itself together, sampled while it goes on."""

from __future__ import annotations

import threading
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

_EVERY_SECONDS: Final = 1.0
_SAME: Final = 0.01
"""A process whose resident memory has changed by less holds what it held: each walk costs the kernel a look at every
page, and beside JVMs near the peak these walks took a seventh of a core."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The moment of the largest sum of proportional memory (PSS), in bytes.

    A page that several processes share counts once: a JVM that forks to run `chmod` would count twice as resident.

    `largest` names the processes that held most of it.
    """

    total_bytes: int = 0
    largest: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What a process held when its pages were walked through, in bytes."""

    resident: int
    proportional: int


class MemoryWatch:
    """A context manager that samples this process and all its descendants; `peak` is what it saw so far."""

    def __init__(self) -> None:
        self.peak = Peak()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        me, walked = psutil.Process(), dict[psutil.Process, Held]()
        while not self._ended.wait(_EVERY_SECONDS):
            self.peak = higher(self.peak, (me, *me.children(recursive=True)), walked)


def higher(known: Peak, processes: Sequence[psutil.Process], walked: MutableMapping[psutil.Process, Held]) -> Peak:
    """What these processes hold now if it is more than `known`, else `known`. `walked` is kept from look to look.

    Resident memory is never less than proportional and costs no walk through a process's pages: it is asked first.
    """
    resident = {process: _resident(process) for process in processes}
    if sum(resident.values()) <= known.total_bytes:
        return known
    for process, size in resident.items():
        last = walked.get(process)
        if last is None or abs(size - last.resident) > _SAME * last.resident:
            walked[process] = Held(size, _proportional(process))
    sample = {process: walked[process].proportional for process in processes}
    total = sum(sample.values())
    if total <= known.total_bytes:
        return known
    most = sorted(sample, key=lambda process: -sample[process])[:4]
    return Peak(total, tuple((_name(process), sample[process]) for process in most))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it has ended since it was listed
        return 0


def _name(process: psutil.Process) -> str:
    """The module of a `python -m`, or the program's name."""
    try:
        words = process.cmdline()
        return words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
    except (psutil.Error, IndexError):
        return str(process.pid)
