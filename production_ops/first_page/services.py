"""The services of the stack and how each is asked for its health, over the networks that the page may enter.

There is no engine's socket here: a service is found by its name, and its own answer counts. PostgreSQL and the object
store are judged by what MLflow gets from them, so that the page stands in neither network; the engine's network, where
whoever comes in may compute, it does not enter at all.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import confluent_kafka as kafka
import httpx
from confluent_kafka.admin import AdminClient
from redis import Redis, RedisError

from feature_store.online_store.client import connect
from production_ops.first_page.core.health import CORE, Health, PartSeen, Seen
from shared_utils.errors import DependencyError
from shared_utils.kafka_helpers import client_config
from shared_utils.settings import Settings

SECONDS: Final = 2.0
"""What does not answer within this is down."""
MLFLOW_SECONDS: Final = 6.0
"""MLflow's first answers take seconds: each of its processes opens its stores at the first question."""
FLINK: Final = "flink-jobmanager"
AIRFLOW: Final = "airflow-apiserver"
AIRFLOW_URL: Final = f"http://{AIRFLOW}:8080"
SERVING_URL: Final = "http://serving:8000"
_FLINK_URL: Final = f"http://{FLINK}:8081"
_REGISTERED: Final = "/api/2.0/mlflow/registered-models/search"
_ARTEFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True, slots=True)
class World:
    """What the page asks. `mlflow` shows its login; `resolves` says whether a name has a container."""

    http: httpx.Client
    mlflow: httpx.Client
    redis: Redis
    kafka: Callable[[], str]
    resolves: Callable[[str], bool]


Ask = Callable[[World], str]
"""Gives what to say of a healthy service. Raises DependencyError, httpx.HTTPError or RedisError."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service. Without `ask` its name is all that is seen; `through` is who is asked about it."""

    name: str
    what: str
    ask: Ask | None = None
    through: str = ""
    within_reach: bool = True


def open_world(settings: Settings) -> World:
    """The real stack, none of which is connected yet."""
    mlflow = settings.mlflow
    login = (mlflow.username, mlflow.password.get_secret_value()) if mlflow.username else None
    return World(
        http=httpx.Client(timeout=SECONDS, trust_env=False),
        mlflow=httpx.Client(base_url=mlflow.tracking_uri, auth=login, timeout=MLFLOW_SECONDS, trust_env=False),
        redis=connect(settings.redis.url, round(SECONDS * 1_000)),
        kafka=lambda: _brokers(settings),
        resolves=resolves,
    )


def resolves(host: str) -> bool:
    """Whether the engine's name server knows an address: it forgets a container that has ended."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def look(world: World, pool: ThreadPoolExecutor) -> list[PartSeen]:
    """Every part with what is seen of its services now, all asked at once."""
    seen = iter(list(pool.map(lambda service: see(service, world), [s for _, group in PARTS for s in group])))
    return [PartSeen(name, [next(seen) for _ in group]) for name, group in PARTS]


def see(service: Service, world: World) -> Seen:
    """Ask one service."""

    def say(health: Health, detail: str) -> Seen:
        return Seen(service.name, service.what, health, detail)

    if not service.within_reach:
        return say(Health.UNSEEN, "in a network that this page does not enter: make ps")
    if not world.resolves(service.through or service.name):
        why = f"seen through {service.through}, which does not run" if service.through else "no container runs"
        return say(Health.UNSEEN if service.through else Health.ABSENT, why)
    if service.ask is None:
        return say(Health.RUNS, "runs; it answers no questions")
    try:
        return say(Health.HEALTHY, service.ask(world))
    except DependencyError as exc:
        return say(Health.DOWN, exc.message)
    except httpx.ConnectError as exc:
        if service.through:
            return say(Health.UNSEEN, f"seen through {service.through}, which does not answer")
        return say(Health.DOWN, f"does not answer ({type(exc).__name__})")
    except (httpx.HTTPError, RedisError) as exc:
        return say(Health.DOWN, f"does not answer ({type(exc).__name__})")


def json_of(answer: httpx.Response) -> Any:
    """The body of a good answer.

    Raises:
        DependencyError: it is no good answer.
    """
    if answer.status_code != httpx.codes.OK:
        where = answer.request.url
        raise DependencyError(f"answers {answer.status_code} at {where.path}", f"Look into the log of {where.host}.")
    return answer.json() if answer.headers.get("content-type", "").startswith("application/json") else None


def _ok(address: str, words: str) -> Ask:
    def ask(world: World) -> str:
        json_of(world.http.get(f"http://{address}"))
        return words

    return ask


def _redis(world: World) -> str:
    world.redis.ping()
    return f"answers; {world.redis.dbsize():,} keys"


def _mlflow_health(world: World) -> str:
    json_of(world.mlflow.get("/health"))
    return "healthy"


def _registry(world: World) -> str:
    json_of(world.mlflow.get(_REGISTERED, params={"max_results": "1"}))
    return "MLflow's registry answers from it"


def _artefacts(world: World) -> str:
    json_of(world.mlflow.get(_ARTEFACTS))
    return "MLflow lists its files"


def _flink(key: str, words: str) -> Ask:
    def ask(world: World) -> str:
        overview: Mapping[str, Any] = json_of(world.http.get(f"{_FLINK_URL}/overview"))
        if not overview[key]:
            raise DependencyError(f"0 {words}", f"make logs s={FLINK}")
        return f"{overview[key]} {words}"

    return ask


def _targets(world: World) -> str:
    found = json_of(world.http.get("http://prometheus:9090/api/v1/targets", params={"state": "active"}))
    health = [target["health"] for target in found["data"]["activeTargets"]]
    return f"{health.count('up')} of {len(health)} targets up"


def _airflow(name: str) -> Ask:
    def ask(world: World) -> str:
        found: Mapping[str, Any] = json_of(world.http.get(f"{AIRFLOW_URL}/api/v2/monitor/health"))
        status = (found.get(name) or {}).get("status")
        if status != "healthy":
            raise DependencyError(f"Airflow calls it {status or 'unknown'}", f"make logs s={AIRFLOW}")
        return "healthy, says Airflow"

    return ask


def _brokers(settings: Settings) -> str:
    try:
        found = AdminClient(client_config(settings.kafka, "first-page")).list_topics(timeout=SECONDS)
    except kafka.KafkaException as exc:
        raise DependencyError(f"does not answer ({exc.args[0].str()})", "make logs s=kafka") from exc
    return f"{len(found.brokers)} broker, {sum(not name.startswith('__') for name in found.topics)} topics"


PARTS: Final[Sequence[tuple[str, Sequence[Service]]]] = (
    (
        CORE,
        (
            Service("gateway", "the one door: this page, the API, MLflow", lambda _: "it brought you this page"),
            Service("first-page", "asks the others for this page", lambda _: "it answers now"),
            Service("serving", "the inference API", _ok("serving:8000/readyz", "ready")),
            Service("kafka", "every event, by topic", lambda w: w.kafka()),
            Service("redis", "features for the next answer", _redis),
            Service("feature-writer", "the stream into Redis", _ok("feature-writer:9105/metrics", "answers")),
            Service("mlflow", "runs and models", _mlflow_health),
            Service("postgres", "what MLflow knows", _registry, through="mlflow"),
            Service("object-store", "what MLflow stores", _artefacts, through="mlflow"),
            Service("replay", "the live weeks, by the clock"),
            Service("sail", "the batch engine", within_reach=False),
        ),
    ),
    (
        "streaming",
        (
            Service(FLINK, "leads the Flink jobs", _ok(f"{FLINK}:8081/overview", "leads")),
            Service("flink-taskmanager", "runs them", _flink("taskmanagers", "at work"), through=FLINK),
            Service("flink-jobs", "features, visits, fraud", _flink("jobs-running", "jobs run"), through=FLINK),
            Service("spark-streaming", "events into the lake"),
        ),
    ),
    (
        "batch",
        (
            Service(AIRFLOW, "the pipelines’ pages", _airflow("metadatabase")),
            Service("airflow-scheduler", "starts what is due", _airflow("scheduler"), through=AIRFLOW),
            Service("airflow-dag-processor", "reads the pipelines", _airflow("dag_processor"), through=AIRFLOW),
            Service("airflow-triggerer", "waits for bronze", _airflow("triggerer"), through=AIRFLOW),
            Service("spark-connect", "Apache Spark, for SQL by name", within_reach=False),
            Service("hive-metastore", "the tables’ names", within_reach=False),
        ),
    ),
    (
        "observe",
        (
            Service("prometheus", "measures the others", _targets),
            Service("alertmanager", "tells somebody", _ok("alertmanager:9093/-/ready", "ready")),
            Service("redis-exporter", "measures of Redis", _ok("redis-exporter:9121/metrics", "answers")),
            Service("postgres-exporter", "and of PostgreSQL", _ok("postgres-exporter:9187/metrics", "answers")),
        ),
    ),
)  # fmt: skip
"""The parts of the stack, each a profile of Compose, in the order in which one reads them."""
