"""The profile `batch`: both DAGs through the gateway as a user starts them, over the lake of the first load."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from data_lake.arrivals import complete_at
from production_ops.compose_stack import first_start
from shared_utils.settings import load_settings
from tests.fakes.airflow_api import AirflowApi, wait_for
from tests.fakes.compose_stack import INSTALLATION, ComposeStack, last_week
from tests.fakes.serving_process import wait_until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1_500)]

ETL, TRAIN = "etl_clickstream", "train_model"
KILLED = ("airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
HEALTHY_AGAIN_SECONDS = 60.0
REWRITTEN = ("silver.transaction_line", "gold.daily_customer", "gold.customer_features", "gold.product_features",
             "gold.customer_product_features", "gold.product_copurchase")  # fmt: skip
# What lies before the day that it is given: the stream and the daily runs may be writing later ones.
LOOK = f"""
import json, sys
from datetime import date
import pyarrow.compute as pc
from data_lake.catalog import TABLES
from data_lake.compare import content_hash, read_table
from data_lake.storage import root_of
from data_lake.tables import open_delta
from shared_utils.settings import load_settings
root = root_of(load_settings())
found = {{table.full_name: table for table in TABLES if table.full_name in {REWRITTEN}}}
end = date.fromisoformat(sys.argv[1])
history = {{
    "event_date": pc.field("event_date") < end,
    "snapshot_day": pc.field("snapshot_day") <= (end - date(1970, 1, 1)).days,
}}
def content(table):
    return content_hash(read_table(table, root, history[table.partition_by[0]]), table.key)
print(json.dumps({{
    "versions": {{name: open_delta(table, root).version() for name, table in found.items()}},
    "hashes": {{name: content(table) for name, table in found.items()}},
}}))
"""


@pytest.fixture(scope="module")
def airflow(stack: ComposeStack) -> Iterator[AirflowApi]:
    api = AirflowApi(stack.airflow_url, first_start.read(INSTALLATION)["AIRFLOW_ADMIN_PASSWORD"])
    with contextlib.closing(api.client):
        yield api


def lake(stack: ComposeStack) -> dict[str, dict[str, Any]]:
    """Versions and content of what a run rewrites, by the reader that every job has."""
    python = ("airflow-scheduler", "/app/.venvs/platform/bin/python")
    said = stack.compose("exec", "-T", *python, "-c", LOOK, str(last_week()[1]))
    return dict(json.loads(said.splitlines()[-1]))


def challenger(stack: ComposeStack) -> dict[str, Any]:
    """The registry's newest version: its number and its tags."""
    return model_version(stack, "registered-models/alias", alias="challenger")


def first_load(stack: ComposeStack) -> dict[str, Any]:
    """The version that the first load registered."""
    return model_version(stack, "model-versions/get", version="1")


def model_version(stack: ComposeStack, question: str, **which: str) -> dict[str, Any]:
    """What the registry says of a version: its number and its tags."""
    made = first_start.read(INSTALLATION)
    answer = httpx.get(
        f"{stack.mlflow_url}/api/2.0/mlflow/{question}",
        params={"name": "recommender", **which},
        auth=(made["MLFLOW_ADMIN_USERNAME"], made["MLFLOW_ADMIN_PASSWORD"]),
        trust_env=False,
    )
    version = answer.raise_for_status().json()["model_version"]
    return {"version": version["version"], **{tag["key"]: tag["value"] for tag in version["tags"]}}


@pytest.mark.parametrize("guess", ["admin", "airflow", "password"])
def test_s14_airflow_refuses_a_guessed_password(stack: ComposeStack, guess: str) -> None:
    answer = httpx.post(
        f"{stack.airflow_url}/auth/token", json={"username": "admin", "password": guess}, trust_env=False
    )

    assert answer.status_code == 401


def test_the_day_that_is_due_runs_by_itself_and_a_training_follows(stack: ComposeStack, airflow: AirflowApi) -> None:
    before = lake(stack)
    airflow.unpause(TRAIN)
    airflow.unpause(ETL)
    now = datetime.now(UTC)
    if now < complete_at(now.date(), load_settings().lake.allowed_lateness_seconds):
        pytest.skip("the run that is due waits until its day is complete, two hours after midnight (UTC)")

    (due,) = wait_for(lambda: airflow.runs(ETL, "scheduled") or None, 60, "the daily run's start")
    airflow.finished(ETL, due["dag_run_id"])
    assert lake(stack)["hashes"] == before["hashes"]  # a day of the live weeks: history stays what it was

    (training,) = wait_for(lambda: airflow.runs(TRAIN, "asset_triggered") or None, 60, "the training's start")
    airflow.finished(TRAIN, training["dag_run_id"])


def test_both_dags_run_through_the_gateway_over_the_lake_of_the_first_load(
    stack: ComposeStack, token: str, airflow: AirflowApi
) -> None:
    start, end = last_week()
    before, first = lake(stack), challenger(stack)
    trained = len(airflow.runs(TRAIN, "asset_triggered"))

    tasks = airflow.finished(ETL, airflow.trigger(ETL, start=str(start), end=str(end), wait_for_bronze=False))
    assert {name: task["state"] for name, task in tasks.items()} == dict.fromkeys(tasks, "success")
    after = lake(stack)
    assert all(after["versions"][name] > before["versions"][name] for name in REWRITTEN)
    assert after["hashes"] == before["hashes"]

    def trainings() -> list[dict[str, Any]]:
        return airflow.runs(TRAIN, "asset_triggered")[trained:]

    (training,) = wait_for(lambda: trainings() or None, 60, "the training's start")
    airflow.finished(TRAIN, training["dag_run_id"])
    second = challenger(stack)
    assert int(second["version"]) == int(first["version"]) + 1
    # Of the same weeks as the first load's; the day that was due had its own.
    assert second["model_sha256"] == first_load(stack)["model_sha256"]
    assert second["data.customer_features"] == str(after["versions"]["gold.customer_features"])

    def served() -> dict[str, Any]:
        return dict(stack.ask("/v1/recommendations/1?limit=5", token).json())

    wait_until(lambda: served()["model"]["version"] == second["version"], "serving's new model", 30)
    assert len(served()["items"]) == 5


def test_a_training_that_a_user_starts_succeeds_too(stack: ComposeStack, airflow: AirflowApi) -> None:
    cutoff = last_week()[1] - timedelta(weeks=7)
    before = int(challenger(stack)["version"])

    airflow.finished(TRAIN, airflow.trigger(TRAIN, cutoff=str(cutoff)))

    assert int(challenger(stack)["version"]) == before + 1


def test_the_landing_page_shows_these_runs(stack: ComposeStack) -> None:
    answer = stack.ask("/first-page/runs").json()

    shown = {dag["dag"]: {run["state"] for run in dag["runs"]} for dag in answer["data"]["dags"]}
    assert shown.keys() == {ETL, TRAIN}
    assert all("success" in states and "failed" not in states for states in shown.values())


def test_killed_airflow_servers_come_back_within_a_minute(stack: ComposeStack, airflow: AirflowApi) -> None:
    before = {name: stack.started_at(name) for name in KILLED}
    for name in KILLED:
        stack.kill(name)

    assert stack.seconds_until_well(HEALTHY_AGAIN_SECONDS) <= HEALTHY_AGAIN_SECONDS
    assert all(stack.started_at(name) != before[name] for name in KILLED)
    assert {dag["dag_id"] for dag in airflow.get("/dags")["dags"]} == {ETL, TRAIN}
