"""Redis clients with explicit deadlines and no hidden retries."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

WRITE_TIMEOUT_MS = 10_000


def connect(url: str, timeout_ms: int) -> Redis:
    """A client of which no call takes longer than connecting plus answering, `timeout_ms` each. Connects lazily."""
    seconds = timeout_ms / 1000
    return Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        decode_responses=False,
    )
