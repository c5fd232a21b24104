"""How much memory a run needs at once: its servers, its jobs and itself together, sampled while it goes on."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final, Self

import psutil

_EVERY_SECONDS: Final = 0.5


class MemoryWatch:
    """A context manager; `peak_bytes` is the largest sum of resident memory seen (shared pages count in each)."""

    def __init__(self) -> None:
        self.peak_bytes = 0
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
        me = psutil.Process()
        while not self._ended.wait(_EVERY_SECONDS):
            self.peak_bytes = max(self.peak_bytes, sum(map(_resident, [me, *me.children(recursive=True)])))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended since it was listed
        return 0
