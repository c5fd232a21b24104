"""How every command of the platform ends: an exit code, and errors that say what to do."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

from shared_utils.errors import PlatformError
from shared_utils.logging_config import configure_logging
from shared_utils.settings import load_settings

Main = Callable[[Sequence[str] | None], int]


def run_main(main: Main) -> NoReturn:
    """Run a command's `main` and leave with its exit code.

    A `PlatformError` prints as `error: what. remedy.` and gives its own code; any other exception is a defect and
    keeps its traceback.
    """
    try:
        settings = load_settings()
        configure_logging(json=settings.log_json, level=settings.log_level)
        sys.exit(main(None))
    except PlatformError as exc:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"error: {exc.message}", style="bold red", markup=False)
        console.print(f"  do: {exc.remedy}", markup=False)
        sys.exit(exc.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, for a command that runs until it is told to end."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
