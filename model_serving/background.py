"""Repeated work beside the requests: the alias poll and the store refresh."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from shared_utils.errors import PlatformError

log = structlog.get_logger(__name__)


class Periodic:
    """Calls `action` every `seconds` in a thread of its own until closed; the same failure is told once.

    `on_failure` is called at every failure. An exception that is no PlatformError is a defect: its traceback is logged
    and the next turn comes all the same, since a process that stopped following its model in silence would be worse.
    """

    def __init__(
        self, name: str, seconds: float, action: Callable[[], None], on_failure: Callable[[], None] = lambda: None
    ) -> None:
        self._name = name
        self._seconds = seconds
        self._action = action
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._said: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Do the first turn now, in the caller's thread, then go on in the background."""
        self.turn()
        self._thread.start()

    def turn(self) -> None:
        """One call of the action, failures told."""
        try:
            self._action()
        except PlatformError as exc:
            self._failed(exc.message)
        except Exception as exc:
            self._failed(repr(exc))
            log.exception("background_defect", job=self._name)
        else:
            if self._said is not None:
                log.info("background_recovered", job=self._name)
            self._said = None

    def close(self) -> None:
        """Stop after the current turn."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _failed(self, what: str) -> None:
        self._on_failure()
        if what != self._said:
            log.warning("background_failed", job=self._name, error=what)
        self._said = what

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self.turn()
