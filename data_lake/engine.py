"""The batch engine behind Spark Connect: Sail by default, Apache Spark by a setting; the jobs cannot tell which."""

from __future__ import annotations

import socket
from typing import Final
from urllib.parse import urlsplit

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.connect.client.retries import DefaultPolicy

from shared_utils.errors import ConfigurationError, DependencyError
from shared_utils.settings import EngineSettings, Settings

CONNECT_TIMEOUT_SECONDS: Final = 5.0
_DEFAULT_PORT: Final = 15002
_sessions: dict[str, SparkSession] = {}


def session(settings: Settings) -> SparkSession:
    """The process's session on the engine that `settings.engine` names, in UTC; one is kept per address.

    Raises:
        ConfigurationError: the address is not `sc://host:port`.
        DependencyError: nothing answers there, or what answers is no Spark Connect server.
    """
    _require_listener(settings.engine)
    remote = settings.engine.remote
    if remote not in _sessions:
        _sessions[remote] = _connect(settings.engine)
    return _sessions[remote]


def close() -> None:
    """End every session of this process. Call it before a server is stopped that this process itself started."""
    while _sessions:
        _sessions.popitem()[1].stop()


def _require_listener(engine: EngineSettings) -> None:
    """Fail in seconds: the Connect client by itself retries a dead address for minutes."""
    address = urlsplit(engine.remote)
    if address.scheme != "sc" or not address.hostname:
        raise ConfigurationError(f"engine.remote {engine.remote!r} is no sc:// address.", "Set SHOP_ENGINE__REMOTE.")
    try:
        socket.create_connection((address.hostname, address.port or _DEFAULT_PORT), CONNECT_TIMEOUT_SECONDS).close()
    except OSError as exc:
        raise DependencyError(
            f"The batch engine ({engine.kind}) does not answer at {engine.remote}.",
            "Start it (`python -m shared_utils.local_stack up sail`) or set SHOP_ENGINE__REMOTE.",
        ) from exc


def _connect(engine: EngineSettings) -> SparkSession:
    try:
        created: SparkSession = SparkSession.builder.remote(engine.remote).create()
        # By default a client retries a server that went away for ten minutes, even at exit; this gives up after 7 s.
        created.client.set_retry_policies([DefaultPolicy(max_retries=6, max_backoff=2_000)])
        created.conf.set("spark.sql.session.timeZone", "UTC")
    except PySparkException as exc:
        raise DependencyError(
            f"The batch engine at {engine.remote} answers, but not as a Spark Connect server.",
            "Check SHOP_ENGINE__REMOTE.",
        ) from exc
    return created
