"""The process's objects, made once: real adapters by default, fakes where a test hands them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from feature_store.online_store.reader import OnlineReader, connect
from ml_modeling.core.bundle import ModelBundle
from model_serving.background import Periodic
from model_serving.core.breaker import CircuitBreaker
from model_serving.core.shelf import LiveShelf
from model_serving.decisions import DecisionPublisher
from model_serving.fastapi_server.access import Guard
from model_serving.fastapi_server.feature_fetcher import FeatureFetcher, RedisShopReader, StoreRefresher
from model_serving.fastapi_server.model_loader import ModelLoader
from model_serving.fastapi_server.onnx_scorer import load_onnx_scorer
from model_serving.fastapi_server.schemas import ModelsPublic, ServedModelPublic
from model_serving.fastapi_server.services.deadline import DeadlineRunner
from model_serving.fastapi_server.services.recommendation_service import RecommendationService
from model_serving.metrics import ServingMetrics
from model_serving.ports import DecisionSink, ModelRegistry, ProductReader, Scorer, ShopReader, StateReader
from model_serving.registry import open_registry
from model_serving.tokens import TokenVerifier
from shared_utils.kafka_helpers import Producer
from shared_utils.settings import Settings
from shared_utils.time_utils import fixed_clock, system_clock

REFRESH_TIMEOUT_MS = 1_000
"""The background refresh may take its time: the product table is megabytes, a request's read a few kilobytes."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """The world outside the process."""

    states: StateReader
    products: ProductReader
    shop: ShopReader
    registry: ModelRegistry
    load_scorer: Callable[[ModelBundle], Scorer]
    open_sink: Callable[[], DecisionSink]


@dataclass(frozen=True, slots=True)
class Services:
    """What routes use, and what starts and stops with the process."""

    recommendations: RecommendationService
    runner: DeadlineRunner
    guard: Guard
    metrics: ServingMetrics
    live: LiveShelf
    publisher: DecisionPublisher
    background: tuple[Periodic, ...]
    alias: str

    def start(self) -> None:
        """Load model and products once, then keep them fresh; begin to publish."""
        self.publisher.start()
        for job in self.background:
            job.start()

    def close(self) -> None:
        """Stop, then deliver or keep every decision."""
        for job in self.background:
            job.close()
        self.runner.close()
        self.publisher.close()

    def served_models(self) -> ModelsPublic:
        """The answer of `GET /v1/models`."""
        shelf = self.live.current
        models = [] if shelf is None else [shelf.model]
        return ModelsPublic(
            models=[
                ServedModelPublic(
                    name=model.ref.name,
                    version=model.ref.version,
                    alias=self.alias,
                    sha256=model.checksum,
                    feature_set=model.ref.feature_set,
                    feature_names=list(model.feature_names),
                )
                for model in models
            ],
            stale=self.metrics.value("serving_model_stale") == 1,
        )


def real_adapters(settings: Settings) -> Adapters:
    """Redis, MLflow's registry and Kafka, none of which is connected yet."""
    background = connect(settings.redis.url, max(settings.redis.timeout_ms, REFRESH_TIMEOUT_MS))
    name = f"serving-{settings.serving.port}"  # a spool file belongs to one process
    return Adapters(
        states=OnlineReader(connect(settings.redis.url, settings.redis.timeout_ms)),
        products=OnlineReader(background),
        shop=RedisShopReader(background),
        registry=open_registry(
            settings.mlflow.tracking_uri, settings.mlflow.username, settings.mlflow.password.get_secret_value()
        ),
        load_scorer=load_onnx_scorer,
        open_sink=lambda: Producer(settings.kafka, name),
    )


def bootstrap(settings: Settings, adapters: Adapters | None = None) -> Services:
    """Everything wired, nothing started."""
    world = adapters or real_adapters(settings)
    serving = settings.serving
    clock = fixed_clock(serving.fixed_now) if serving.fixed_now else system_clock
    metrics, live, breaker = ServingMetrics(), LiveShelf(), CircuitBreaker()
    metrics.breaker_open.set_function(lambda: float(breaker.is_open))
    features = FeatureFetcher(world.states, breaker)
    max_age = timedelta(seconds=serving.max_feature_age_seconds)
    recommendations = RecommendationService(live, features, clock, metrics, max_age)
    publisher = DecisionPublisher(world.open_sink, clock, metrics)
    name, cache = settings.mlflow.recommender_name, serving.model_cache_dir
    alias = settings.serving.model_alias
    loader = ModelLoader(name, world.registry, cache, world.load_scorer, live, metrics, alias)
    refresher = StoreRefresher(world.products, world.shop, live)
    return Services(
        recommendations=recommendations,
        runner=DeadlineRunner(
            recommendations, publisher, metrics, budget_seconds=serving.budget_ms / 1000, workers=serving.workers
        ),
        guard=Guard(TokenVerifier(settings.auth), metrics),
        metrics=metrics,
        live=live,
        publisher=publisher,
        background=(
            Periodic("model", serving.alias_poll_seconds, loader.refresh),
            Periodic("store", serving.store_poll_seconds, refresher.refresh, metrics.store_refresh_failures.inc),
        ),
        alias=alias,
    )
