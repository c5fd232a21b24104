"""The real server as a process, with a real Redis and a registry file, for integration tests and benchmarks."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from feature_store.online_store.writer import write_customer, write_product_table
from model_serving.tokens import Scope, mint
from shared_utils.local_stack.ports import free_port
from shared_utils.settings import REPO_ROOT, AuthSettings
from tests.fakes.serving import (
    KNOWN_CUSTOMERS,
    NOW,
    PRODUCTS,
    customer_columns,
    pair_columns,
    product_blob,
    stamp,
)

DEADLINE_SECONDS = 90.0
SERVER = "model_serving.fastapi_server.main"


@dataclass(frozen=True)
class Answer:
    """One answer; `server_ms` is the server's own figure, `client_ms` has the load generator's share in it."""

    status: int
    body: dict[str, Any]
    server_ms: float
    client_ms: float


class Connection:
    """A kept-alive connection with a good token."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        token = mint(AuthSettings(), list(Scope), 3600, subject="tests", now=time.time())
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Answer:
        started = time.perf_counter()
        self._http.request("GET", path, headers=self._headers)
        response = self._http.getresponse()
        content = response.read()
        took = (time.perf_counter() - started) * 1e3
        server = float((response.getheader("server-timing") or "app;dur=nan").partition("dur=")[2])
        body = json.loads(content) if content.startswith(b"{") else {}
        return Answer(response.status, body, server, took)

    def close(self) -> None:
        self._http.close()


class RedisProcess:
    """A Redis of our own, that can be killed, frozen and brought back at the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port(frozenset())
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=10)
        self.start()

    def start(self) -> None:
        argv = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Redis")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self.client.close()
        if self._process.poll() is None:
            self.kill()

    def fill(self, products: int = PRODUCTS, pairs: int = 120) -> None:
        write_product_table(self.client, product_blob(n=products))
        for customer in KNOWN_CUSTOMERS:
            values = pair_columns(customer, n=products, pairs=pairs)
            write_customer(self.client, customer, stamp(), customer_columns(customer), values)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False


class ServingProcess:
    """`python -m model_serving.fastapi_server.main` on a free port."""

    def __init__(self, folder: Path, environment: Mapping[str, str], module: str = SERVER) -> None:
        self.port = free_port(frozenset())
        self._connections: list[Connection] = []
        defaults = {
            "SHOP_ENV": "test",
            "SHOP_SERVING__PORT": str(self.port),
            "SHOP_SERVING__FIXED_NOW": NOW.isoformat(),
            "SHOP_SERVING__MODEL_CACHE_DIR": str(folder / "cache"),
            "SHOP_SERVING__ALIAS_POLL_SECONDS": "0.2",
            "SHOP_SERVING__STORE_POLL_SECONDS": "0.2",
            "SHOP_KAFKA__SPOOL_DIR": str(folder / "spool"),
            "SHOP_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "SHOP_KAFKA__DELIVERY_TIMEOUT_MS": "1000",
        }
        self.log = folder / f"serving-{self.port}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=REPO_ROOT,
                env={**os.environ, **defaults, **environment},
                stdout=log,
                stderr=log,
            )
        wait_until(self._is_ready, f"serving ({self.log})")

    @property
    def pid(self) -> int:
        return self._process.pid

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def connect(self) -> Connection:
        self._connections.append(Connection(self.port))
        return self._connections[-1]

    def terminate(self) -> int:
        self._process.terminate()
        return self._process.wait(60)

    def stop(self) -> None:
        for connection in self._connections:
            connection.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(self.log.read_text()[-3000:])
        connection = Connection(self.port)
        try:
            return connection.get("/readyz").status == 200
        except OSError:
            return False
        finally:
            connection.close()


def wait_until(condition: Any, what: str, seconds: float = DEADLINE_SECONDS) -> None:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come in {seconds:.0f} s")
        pause.wait(0.05)


@contextmanager
def load(serving: ServingProcess, *, clients: int = 4, customers: range = KNOWN_CUSTOMERS) -> Iterator[list[Answer]]:
    """Ask all the time from several connections while the block runs; the list grows as answers come."""
    answers: list[Answer] = []
    stop = threading.Event()

    def ask(offset: int) -> None:
        connection = serving.connect()
        customer = customers.start + offset
        while not stop.is_set():
            answers.append(connection.get(f"/v1/recommendations/{customer}"))
            customer = customers.start + (customer - customers.start + 1) % len(customers)
        connection.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
