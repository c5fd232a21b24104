"""A circuit breaker: stop asking a dependency that keeps failing, and try again with one probe at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

FAILURES = 5
WINDOW_SECONDS = 10.0
PROBE_SECONDS = 5.0


class CircuitBreaker:
    """Opens after 5 failures within 10 s; then lets one call through every 5 s until one succeeds.

    Source: promises.md, "Deadline discipline". Safe to share between threads.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._next_probe: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are being held back."""
        return self._next_probe is not None

    def allows(self) -> bool:
        """Whether to call now. While open, True for one caller per 5 s: the probe."""
        if self._next_probe is None:
            return True
        with self._lock:
            now = self._now()
            if self._next_probe is None or now >= self._next_probe:
                self._next_probe = None if self._next_probe is None else now + PROBE_SECONDS
                return True
            return False

    def succeeded(self) -> None:
        """Report a call that worked: closes the breaker."""
        if self._failures or self._next_probe is not None:
            with self._lock:
                self._failures.clear()
                self._next_probe = None

    def failed(self) -> None:
        """Report a call that failed."""
        with self._lock:
            now = self._now()
            self._failures.append(now)
            if (
                len(self._failures) == FAILURES
                and now - self._failures[0] <= WINDOW_SECONDS
                and self._next_probe is None
            ):
                self._next_probe = now + PROBE_SECONDS
