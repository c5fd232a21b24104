"""Probes that tell whether a started process answers as what it should be."""

from __future__ import annotations

import http.client
import json
import re
import socket
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shared_utils.errors import DependencyError
from shared_utils.local_stack.ports import LOOPBACK
from shared_utils.local_stack.spec import FlinkSlotsReady, HttpReady, KafkaReady, LogReady, Ready, TcpReady

_PROBE_SECONDS = 2.0


def is_ready(ready: Ready, port: int, log: Path, log_offset: int, cluster_id: str) -> bool:
    """One probe of a process on `port`, at most two seconds long.

    Raises:
        DependencyError: a broker answers, but it is another cluster.
    """
    match ready:
        case TcpReady():
            return _tcp(port, ready.send, ready.expect)
        case HttpReady():
            return _http(port, ready.path)
        case LogReady():
            return _log(log, log_offset, ready.pattern)
        case KafkaReady():
            return _kafka(port, cluster_id)
        case FlinkSlotsReady():
            return _flink_slots(ready.rest, port)


def _tcp(port: int, send: str, expect: str) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), _PROBE_SECONDS) as connection:
            if send:
                connection.sendall(send.encode())
                return connection.recv(256).decode(errors="replace").startswith(expect)
            return True
    except OSError:
        return False


def _http(port: int, path: str) -> bool:
    return _get(LOOPBACK, port, path) is not None


def _get(host: str, port: int, path: str) -> bytes | None:
    """The body of a 200 answer, else None."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        return body if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _flink_slots(rest: str, port: int) -> bool:
    # A TaskManager that was killed is listed until its heartbeat is missed: only one that listens counts.
    host, _, rest_port = rest.rpartition(":")
    body = _get(host, int(rest_port), "/taskmanagers")
    if body is None or not _tcp(port, "", ""):
        return False
    workers = json.loads(body)["taskmanagers"]
    return any(f":{port}/" in worker["path"] and worker["freeSlots"] > 0 for worker in workers)


def _log(log: Path, offset: int, pattern: str) -> bool:
    with log.open("rb") as stream:
        stream.seek(offset)
        return re.search(pattern, stream.read().decode(errors="replace")) is not None


def _kafka(port: int, cluster_id: str) -> bool:
    if not _tcp(port, "", ""):  # librdkafka waits and logs when nobody listens; a bare connection does not
        return False
    admin = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{port}", "log_level": 0})
    try:
        found = admin.describe_cluster(request_timeout=_PROBE_SECONDS).result(timeout=_PROBE_SECONDS + 1)
    except (KafkaException, TimeoutError):
        return False
    if found.cluster_id != cluster_id:
        raise DependencyError(
            f"The broker on {LOOPBACK}:{port} is cluster {found.cluster_id}, not {cluster_id}.",
            "Another broker took the port: start again.",
        )
    return len(found.nodes) > 0
