"""The access log: one JSON line a request, written by orjson, with no identifier of a shopper in clear."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog


def configure_service_logging(level: int) -> None:
    """JSON lines on stderr for the whole process. Faster than the command-line set-up: bytes, no text layer."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


class Pseudonyms:
    """A keyed hash of customer ids: equal customers give equal words, and without the key nobody gets back."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"access-log:" + secret.encode()).digest()

    def of(self, customer_id: str) -> str:
        """Sixteen hex digits for a customer id as it stands in the path."""
        return hashlib.blake2b(customer_id.encode(), key=self._key, digest_size=8).hexdigest()


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    return orjson.dumps(event, default=repr)
