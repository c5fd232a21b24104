"""Around every request: its id, its time, its log line, its headers, and the last net for a defect. Plain ASGI."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model_serving.fastapi_server.logger import Pseudonyms
from model_serving.fastapi_server.problems import problem
from model_serving.metrics import ServingMetrics

log = structlog.get_logger("access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)


class RequestFrame:
    """Wraps the whole application; `scope["state"]` gets `request_id` and `started` (`time.perf_counter`)."""

    def __init__(self, app: ASGIApp, metrics: ServingMetrics, pseudonyms: Pseudonyms) -> None:
        self._app = app
        self._metrics = metrics
        self._pseudonyms = pseudonyms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI event stream."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, request_id = time.perf_counter(), _request_id(scope)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id, "started": started}
        status = 0

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_headers(request_id, started)]
            await send(message)

        try:
            await self._app(scope, receive, send_framed)
        except Exception:
            log.exception("request_defect", request_id=request_id)
            if status == 0:
                await problem(500, "Something went wrong on our side.")(scope, receive, send_framed)
        finally:
            self._finish(scope, request_id, status, time.perf_counter() - started)

    def _finish(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")  # the template: a raw path would be a label without end
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self._metrics.request_seconds.labels(route, method, str(status)).observe(seconds)
        customer = scope.get("path_params", {}).get("customer_id")
        log.info(
            "request",
            request_id=request_id,
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1e3, 3),
            customer=None if customer is None else self._pseudonyms.of(str(customer)),
        )


def _headers(request_id: str, started: float) -> tuple[tuple[bytes, bytes], ...]:
    took = f"app;dur={(time.perf_counter() - started) * 1e3:.2f}"
    return (*_HEADERS, (b"x-request-id", request_id.encode()), (b"server-timing", took.encode()))


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return uuid.uuid4().hex
