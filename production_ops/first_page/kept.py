"""Answers that are found when somebody looks, one at a time, and are kept for a little while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass
from datetime import datetime

import structlog

from production_ops.first_page.core.answers import Answer, State
from shared_utils.errors import PlatformError
from shared_utils.time_utils import Clock, system_clock

log = structlog.get_logger(__name__)

_PENDING = Answer(State.PENDING, "It is being looked for.")
_DEFECT = Answer(State.FAILED, "The page's service has a defect.", "Look into its log: make logs s=first-page")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer and when it was found."""

    answer: Answer
    as_of: datetime


class Finder:
    """Finds an answer in a thread of `pool` and keeps it for `seconds`; a question never waits longer than it says.

    However many ask at once, it is looked for once. Until a newer answer is found the older one is given, and its time.
    """

    def __init__(
        self,
        name: str,
        find: Callable[[], Answer],
        seconds: float,
        pool: ThreadPoolExecutor,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._find, self._seconds = name, find, seconds
        self._pool, self._clock, self._monotonic = pool, clock, monotonic
        self._lock = threading.Lock()
        self._kept: Kept | None = None
        self._until = 0.0
        self._looking: Future[Kept] | None = None

    def get(self, patience_seconds: float) -> Kept:
        """The newest answer, or `PENDING` when there was none and none was found in time."""
        with self._lock:
            if self._kept is not None and self._monotonic() < self._until:
                return self._kept
            looking = self._looking = self._looking or self._pool.submit(self._look)
        try:
            return looking.result(patience_seconds)
        except NotYetError:
            return self._kept or Kept(_PENDING, self._clock())

    def forget(self) -> None:
        """Look again at the next question."""
        with self._lock:
            self._until = 0.0

    def _look(self) -> Kept:
        try:
            answer = self._find()
        except PlatformError as exc:
            answer = Answer.failed(exc)
        except Exception:
            log.exception("first_page_defect", evidence=self._name)
            answer = _DEFECT
        found = Kept(answer, self._clock())
        with self._lock:
            self._kept, self._until, self._looking = found, self._monotonic() + self._seconds, None
        return found
