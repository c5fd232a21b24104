"""The evidence of the guided steps, asked of the running stack: each function finds one answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import confluent_kafka as kafka
import httpx
from pyarrow.dataset import field

from contracts.topics_names import SHOP_TOPICS
from data_lake import tables
from data_lake.catalog import BRONZE_OF_TOPIC, SOURCE_KAFKA
from data_lake.storage import LakeRoot, root_of
from production_ops.first_page.core import balance, gate
from production_ops.first_page.core.answers import Answer
from production_ops.first_page.core.balance import TopicBooks
from production_ops.first_page.services import AIRFLOW, AIRFLOW_URL, SERVING_URL, World, json_of
from production_ops.ledger.reading import read_ends
from production_ops.trace.core.journey import journey
from production_ops.trace.readers import evidence_of, newest_click
from production_ops.trace.report import as_json
from shared_utils.errors import DependencyError, PlatformError
from shared_utils.kafka_helpers import answer_seconds, reader_config, unreachable
from shared_utils.settings import KafkaSettings, Settings

DAGS: Final = ("etl_clickstream", "train_model")
_RUNS: Final = 4
_LOOKS: Final = 4
_SETTLING_SECONDS: Final = 5.0
_API: Final = "/api/2.0/mlflow"


def path_of_a_click(settings: Settings, event_id: str | None) -> Answer:
    """The journey of the click that is asked for, else of the last one that counts as a feature."""
    try:
        wanted = event_id or newest_click(settings)
    except DependencyError:
        raise
    except PlatformError as exc:
        return Answer.empty(exc.message, "Wait for the live weeks (make logs s=replay), or click in step 2.")
    found = as_json(journey(evidence_of(wanted, settings)), settings.kafka.bootstrap_servers)
    return Answer.shown({**found, "asked_for": event_id is not None})


def dag_runs(world: World, username: str, password: str) -> Answer:
    """The last runs of each pipeline, by Airflow's own API."""
    if not world.resolves(AIRFLOW):
        return Answer.not_started("batch")
    if not password:
        return Answer.empty("This page was given no login for Airflow.", "Open Airflow itself: see Doors.")
    token = _token(world, username, password)
    runs = {name: _runs_of(name, world, token) for name in DAGS}
    if not any(runs.values()):
        return Answer.empty("No pipeline has run yet.", "Unpause etl_clickstream in Airflow, or trigger it.")
    return Answer.shown({"dags": [{"dag": name, "runs": found} for name, found in runs.items()]})


def models_gate(world: World, settings: Settings, token: Callable[[], str]) -> Answer:
    """The version behind the alias that is served, the gate's word on it, and what the API really serves."""
    name, alias = settings.mlflow.recommender_name, settings.serving.model_alias
    found = world_json(lambda: world.mlflow.get(f"{_API}/registered-models/get", params={"name": name}), "MLflow")
    if found is None:
        return Answer.empty(f"The registry holds no model {name}.", "Wait for the first load: make logs s=first-load.")
    aliases = {one["alias"]: str(one["version"]) for one in found["registered_model"].get("aliases", [])}
    if alias not in aliases:
        return Answer.empty(
            f"No version of {name} is {alias}.", "The gate refused it; see MLflow, or load all households."
        )
    asked = {"name": name, "version": aliases[alias]}
    version = world_json(lambda: world.mlflow.get(f"{_API}/model-versions/get", params=asked), "MLflow")
    run_id = (version or {}).get("model_version", {}).get("run_id", "")
    run = world_json(lambda: world.mlflow.get(f"{_API}/runs/get", params={"run_id": run_id}), "MLflow")
    if version is None or run is None:
        raise DependencyError(f"MLflow lost version {aliases[alias]} of {name}.", "Look into MLflow's log.")
    return Answer.shown(gate.as_json(version["model_version"], run["run"], aliases, _served(world, token())))


def books_of_the_lake(settings: Settings) -> Answer:
    """Each shop topic against the lake, by coordinate."""
    lake = root_of(settings)
    # In this order: what arrives meanwhile is seen by the later reader alone, and waits.
    bronze = {topic: _bronze(topic, lake) for topic in SHOP_TOPICS}

    def look() -> list[TopicBooks]:
        ends = read_ends(lake)
        return [balance.books(t, _offsets(t, settings.kafka), bronze[t], ends) for t in SHOP_TOPICS]

    found = settled(look)
    if not any(one.sent for one in found):
        return Answer.empty("Kafka holds no event of the shop yet.", "Wait for the live weeks: make logs s=replay.")
    return Answer.shown(balance.as_json(found))


def settled(look: Callable[[], list[TopicBooks]], pause: Callable[[float], None] = time.sleep) -> list[TopicBooks]:
    """The books, once the batch that bronze had a part of is through: a stream writes bronze before silver."""
    found = look()
    for _ in range(_LOOKS):
        if not any(one.lost for one in found):
            break
        pause(_SETTLING_SECONDS)
        found = look()
    return found


def world_json(ask: Callable[[], httpx.Response], who: str) -> Any:
    """A good answer's body; None where there is no such thing.

    Raises:
        DependencyError: no answer, or a bad one.
    """
    try:
        answer = ask()
    except httpx.HTTPError as exc:
        raise DependencyError(f"{who} does not answer ({type(exc).__name__}).", f"make logs s={who.lower()}") from exc
    return None if answer.status_code == httpx.codes.NOT_FOUND else json_of(answer)


def _served(world: World, token: str) -> Mapping[str, Any] | None:
    try:
        answer = world.http.get(f"{SERVING_URL}/v1/models", headers={"Authorization": f"Bearer {token}"})
        found: Mapping[str, Any] = json_of(answer)
    except (httpx.HTTPError, DependencyError):
        return None
    return found


def _token(world: World, username: str, password: str) -> str:
    body = {"username": username, "password": password}
    answer = _airflow(lambda: world.http.post(f"{AIRFLOW_URL}/auth/token", json=body))
    if answer.status_code != httpx.codes.CREATED:
        raise DependencyError(f"Airflow refuses this page's login ({answer.status_code}).", f"make logs s={AIRFLOW}")
    return str(answer.json()["access_token"])


def _runs_of(dag: str, world: World, token: str) -> list[dict[str, Any]]:
    url, headers = f"{AIRFLOW_URL}/api/v2/dags/{dag}/dagRuns", {"Authorization": f"Bearer {token}"}
    query = {"limit": str(_RUNS), "order_by": "-run_after"}
    answer = _airflow(lambda: world.http.get(url, params=query, headers=headers))
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    names = ("dag_run_id", "state", "run_type", "start_date", "end_date", "data_interval_start")
    return [{name: run.get(name) for name in names} for run in json_of(answer)["dag_runs"]]


def _airflow(ask: Callable[[], httpx.Response]) -> httpx.Response:
    try:
        return ask()
    except httpx.HTTPError as exc:
        raise DependencyError(f"Airflow does not answer ({type(exc).__name__}).", f"make logs s={AIRFLOW}") from exc


def _bronze(topic: str, lake: LakeRoot) -> list[tuple[int, int]]:
    table = BRONZE_OF_TOPIC[topic]
    if not tables.exists(table, lake):
        return []
    rows = (
        tables.open_delta(table, lake)
        .to_pyarrow_dataset()
        .to_table(columns=["partition", "offset"], filter=(field("topic") == topic) & (field("source") == SOURCE_KAFKA))
    )
    return list(zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True))


def _offsets(topic: str, settings: KafkaSettings) -> dict[int, tuple[int, int]]:
    """Of each partition the first offset that is still there, and the next one."""
    consumer, timeout = kafka.Consumer(reader_config(settings, "first-page")), answer_seconds(settings)
    try:
        numbers = consumer.list_topics(topic, timeout=timeout).topics[topic].partitions
        return {n: consumer.get_watermark_offsets(kafka.TopicPartition(topic, n), timeout=timeout) for n in numbers}
    except kafka.KafkaException as exc:
        raise unreachable(settings, exc) from exc
    finally:
        consumer.close()
