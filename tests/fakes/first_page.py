"""The stack as the page's service meets it: HTTP answers by address, names that resolve, a Redis and a broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from redis import ConnectionError as RedisConnectionError
from redis import Redis

from production_ops.first_page.services import World
from shared_utils.errors import DependencyError

CORE = ("gateway", "first-page", "serving", "kafka", "redis", "feature-writer", "mlflow", "replay")
STREAMING = ("flink-jobmanager", "spark-streaming")
TOPICS = "1 broker, 17 topics"
Body = Mapping[str, Any] | int
Asked = list[httpx.Request]

HEALTHY: Mapping[str, Body] = {
    "serving:8000/readyz": {"status": "ready"},
    "feature-writer:9105/metrics": {},
    "mlflow:5000/health": {},
    "mlflow:5000/api/2.0/mlflow/registered-models/search": {"registered_models": []},
    "mlflow:5000/api/2.0/mlflow-artifacts/artifacts": {"files": []},
    "flink-jobmanager:8081/overview": {"taskmanagers": 1, "jobs-running": 3},
    "prometheus:9090/api/v1/targets": {"data": {"activeTargets": [{"health": "up"}, {"health": "down"}]}},
    "alertmanager:9093/-/ready": {},
    "redis-exporter:9121/metrics": {},
    "postgres-exporter:9187/metrics": {},
}


class FakeRedis:
    """Answers, or is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away

    def ping(self) -> bool:
        if self.away:
            raise RedisConnectionError("refused")
        return True

    def dbsize(self) -> int:
        return 1_234


@dataclass
class FakeStack:
    """What answers. A body that is a number is a status; an address without one does not answer."""

    bodies: dict[str, Body] = field(default_factory=lambda: dict(HEALTHY))
    names: set[str] = field(default_factory=lambda: {*CORE})
    redis: FakeRedis = field(default_factory=FakeRedis)
    broker: Callable[[], str] = lambda: TOPICS
    asked: Asked = field(default_factory=list)

    def world(self) -> World:
        transport = httpx.MockTransport(self._answer)
        return World(
            http=httpx.Client(transport=transport),
            mlflow=httpx.Client(transport=transport, base_url="http://mlflow:5000", auth=("admin", "made")),
            redis=cast(Redis, self.redis),
            kafka=self.broker,
            resolves=self.names.__contains__,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        body = self.bodies.get(f"{request.url.netloc.decode()}{request.url.path}")
        if body is None:
            raise httpx.ConnectError("refused", request=request)
        if isinstance(body, int):
            return httpx.Response(body)
        status = 201 if request.method == "POST" else 200
        return httpx.Response(status, json=dict(body))


def silent() -> str:
    """A broker that does not answer."""
    raise DependencyError("does not answer (timed out)", "make logs s=kafka")
