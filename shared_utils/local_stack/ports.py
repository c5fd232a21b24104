"""Free loopback ports for servers."""

from __future__ import annotations

import random
import socket

from shared_utils.errors import DependencyError

LOOPBACK = "127.0.0.1"
# Below Linux's ephemeral range (32768 up): no outgoing connection can take a server's port while it restarts, and a
# client that retries a dead server can never be connected to itself.
_LOWEST, _HIGHEST = 20_000, 31_999


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """A port that nobody listens on at this moment and that is not in `taken`.

    Raises:
        DependencyError: no free port was found.
    """
    chooser = random.SystemRandom()
    for _ in range(500):
        port = chooser.randint(_LOWEST, _HIGHEST)
        if port not in taken and _is_free(port):
            return port
    raise DependencyError(
        f"No free port between {_LOWEST} and {_HIGHEST}.", "Stop other servers; `ss -ltn` shows who listens."
    )
