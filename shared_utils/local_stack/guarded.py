"""The owner's end of the guard: what is registered here dies with this process."""

from __future__ import annotations

import subprocess
import sys

from shared_utils.local_stack import guard


class Guard:
    """A running `guard` process and the pipe that it watches. Safe to call from several threads."""

    def __init__(self) -> None:
        # -I and -S keep the environment's site-packages out: the guard needs none and stays small.
        command = [sys.executable, "-I", "-S", str(guard.__file__)]
        self._process = subprocess.Popen(  # noqa: S603 (this interpreter and a file of this package)
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def watch(self, group: int) -> None:
        """Kill this process group should the owner die."""
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """The group is gone: its number may soon name another one."""
        self._tell(f"-{group}")

    def detach(self) -> None:
        """Let every watched group live on."""
        self._tell("detach")

    def close(self) -> None:
        """End the guard; whatever is still watched is killed."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(10)

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
