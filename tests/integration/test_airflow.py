"""Both DAGs through the REST API of a real Airflow, over a small real lake; what they leave is read by other means."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psutil
import pytest
from deltalake import DeltaTable
from mlflow import MlflowClient
from redis import Redis

from data_lake import engine
from data_lake.catalog import CUSTOMER_FEATURES
from feature_store.online_store.reader import OnlineReader
from shared_utils.local_stack import LocalStack, procfs
from shared_utils.settings import Settings
from tests.fakes import airflow_world
from tests.fakes.airflow_api import SERVERS, AirflowApi, password, wait_for
from tests.fakes.batch_lake import settings_of

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(1_500),
    # MLflow's models, on SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]
ETL, TRAIN = "etl_clickstream", "train_model"


@dataclass(frozen=True)
class World:
    stack: LocalStack
    api: AirflowApi
    settings: Settings
    before: Path
    untouched: dict[str, str]

    @property
    def lake(self) -> Path:
        return self.settings.lake.root

    @property
    def registry(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.stack.run_dir}/mlflow/mlflow.db")

    def run(self, start: date, end: date) -> str:
        return self.api.trigger(ETL, start=str(start), end=str(end))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("airflow")
    stack = LocalStack(folder / "run", ("redis", "sail", *SERVERS))
    stack.set_environment({
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    })  # fmt: skip
    try:
        stack.start("redis", "sail")
        settings = settings_of(stack, "sail", stack.run_dir / "lake")
        airflow_world.build(settings, folder)
        engine.close()
        shutil.copytree(settings.lake.root, folder / "before")
        stack.start(*SERVERS)
        api = AirflowApi(f"http://{stack.address('airflow_api')}", password(stack.run_dir), on_sqlite=True)
        api.unpause(TRAIN)
        api.unpause(ETL)
        with contextlib.closing(api.client):
            yield World(stack, api, settings, folder / "before", airflow_world.hashes(settings.lake.root))
    finally:
        engine.close()
        stack.stop()


@pytest.fixture
def settled(world: World) -> dict[str, str]:
    """The tables after an undisturbed run over the last week."""
    if airflow_world.hashes(world.lake) == world.untouched:
        world.api.finished(ETL, world.run(*airflow_world.last_week()))
    return airflow_world.hashes(world.lake)


def test_the_password_is_made_at_the_first_start_and_only_its_owner_reads_it(world: World) -> None:
    folder = world.stack.run_dir / "airflow" / "secrets"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    guesses = [{"username": "admin", "password": word} for word in ("admin", "airflow", "password", "")]
    refused = [world.api.client.post("/auth/token", json=guess).status_code for guess in guesses]
    assert not {200, 201} & set(refused)


def test_nothing_listens_beyond_loopback(world: World) -> None:
    for name in SERVERS:
        for pid in procfs.group_members(world.stack.pid(name) or 0):
            listening = [c.laddr.ip for c in psutil.Process(pid).net_connections("inet") if c.status == "LISTEN"]
            assert set(listening) <= {"127.0.0.1"}, name


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"start": "yesterday"}, "start"),
        ({"copurchase_weeks": 0}, "copurchase_weeks"),
        ({"late": "perhaps"}, "late"),
    ],
)
def test_a_bad_conf_is_refused_before_anything_runs(world: World, conf: dict[str, object], said: str) -> None:
    answer = world.api.ask("POST", f"/dags/{ETL}/dagRuns", {"logical_date": None, "conf": conf})

    assert answer.status_code == 400
    assert f"Invalid input for param {said}" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("conf", "task", "said"),
    [
        (
            {"strat": "2026-10-19"},
            "bronze_landed",
            "unknown keys: strat. Known: copurchase_weeks, end, late, start, wait_for_bronze",
        ),
        ({"start": "2026-10-20", "end": "2026-10-20"}, "days_due", "The interval 2026-10-20..2026-10-20 is empty."),
    ],
)
def test_a_conf_that_no_schema_can_refuse_fails_at_once_and_says_why(
    world: World, conf: dict[str, object], task: str, said: str
) -> None:
    run = world.api.trigger(ETL, **{"end": "2026-10-20", **conf})

    tasks = wait_for(
        lambda: tasks if (tasks := world.api.tasks(ETL, run))[task]["state"] == "failed" else None, 90, run
    )

    assert tasks[task]["try_number"] == 1  # a retry would end the same way
    assert said in world.api.log(ETL, run, task, 1)


def test_a_backfill_of_seven_days_equals_one_run_that_finds_six_of_them_missing(world: World) -> None:
    start, end = airflow_world.last_week()
    body = {
        "dag_id": ETL,
        "from_date": f"{start}T00:00:00Z",
        "to_date": f"{end - timedelta(days=1)}T00:00:00Z",
        "max_active_runs": 1,
        "reprocess_behavior": "completed",
    }
    # Where SQLite refuses it, the backfill takes its runs back, and a scheduler that has begun one of them dies.
    world.api.unpause(ETL, paused=True)
    answer = world.api.ask("POST", "/backfills", body)
    assert answer.is_success, answer.text
    world.api.unpause(ETL)
    wait_for(lambda: world.api.get(f"/backfills/{answer.json()['id']}")["completed_at"], 600, "the backfill's end")
    days = world.api.runs(ETL, "backfill")
    assert [(day["state"], day["data_interval_start"][:10]) for day in days] == [
        ("success", str(start + timedelta(days=n))) for n in range(7)
    ]
    assert world.api.tasks(ETL, days[0]["dag_run_id"])["features_online"]["state"] == "skipped"
    filled = airflow_world.hashes(world.lake)
    assert not {name for name in filled if filled[name] == world.untouched[name]}
    airflow_world.put_back(world.before, world.lake)
    assert airflow_world.hashes(world.lake) == world.untouched

    world.api.finished(ETL, world.run(end - timedelta(days=1), end))

    assert airflow_world.hashes(world.lake) == filled


@pytest.mark.usefixtures("settled")
def test_fresh_gold_is_online_and_has_started_a_training_that_is_registered(world: World) -> None:
    _, end = airflow_world.last_week()
    cutoff = end - timedelta(weeks=7)
    reader = OnlineReader(Redis.from_url(f"redis://{world.stack.address('redis')}/0"))
    products = reader.read_product_table()
    assert products is not None
    assert len(products.columns["product_id"]) > 1_000
    (run,) = wait_for(lambda: world.api.runs(TRAIN, "asset_triggered") or None, 60, "the training's start")

    world.api.finished(TRAIN, run["dag_run_id"])

    version = world.registry.get_model_version_by_alias("recommender", "challenger")
    folder = world.stack.run_dir / "training" / str(cutoff)
    registered = json.loads((folder / "registered.json").read_text())
    assert (str(version.version), registered["version"]) == ("1", "1")
    assert version.tags["artifact_sha256"] == json.loads((folder / "training.json").read_text())["bundle_sha256"]
    assert version.tags["data.customer_features"] == str(_version(world.lake))
    assert world.registry.get_run(version.run_id).data.params["cutoff"] == str(cutoff)
    champion = world.registry.get_registered_model("recommender").aliases.get("champion")
    assert (str(champion) == "1") is (version.tags["gate"] == "passed") is registered["champion"]


def test_f11_the_same_interval_twice_gives_equal_tables_and_an_equal_model(
    world: World, settled: dict[str, str]
) -> None:
    version = _version(world.lake)

    world.api.finished(ETL, world.run(*airflow_world.last_week()))

    assert _version(world.lake) > version
    assert airflow_world.hashes(world.lake) == settled
    trainings = wait_for(
        lambda: runs if len(runs := world.api.runs(TRAIN, "asset_triggered")) == 2 else None, 60, "a second training"
    )
    for training in trainings:
        world.api.finished(TRAIN, training["dag_run_id"])
    first, again = (world.registry.get_model_version("recommender", number).tags for number in ("1", "2"))
    assert first["data.customer_features"] != again["data.customer_features"]
    assert first["model_sha256"] == again["model_sha256"]


def test_f10_a_killed_task_and_a_killed_scheduler_cost_a_retry_and_nothing_else(
    world: World, settled: dict[str, str]
) -> None:
    world.api.unpause(TRAIN, paused=True)
    run = world.run(*airflow_world.last_week())

    silver = wait_for(lambda: _job(world, "join_bronze_to_silver"), 90, "the silver job's start")
    os.kill(psutil.Process(silver).ppid(), signal.SIGKILL)
    wait_for(lambda: _gone(silver), 5, "the job gone with its task")

    customers = wait_for(lambda: _job(world, "calculate_churn_features"), 180, "the retry, and the next job's start")
    world.stack.kill("airflow_scheduler")
    wait_for(lambda: _gone(customers), 5, "the job gone with its worker")
    world.stack.restart("airflow_scheduler")

    tasks = world.api.finished(ETL, run)
    assert {name: task["try_number"] for name, task in tasks.items() if task["try_number"] > 1} == {
        "to_silver": 2,
        "customer_features": 2,
    }
    assert airflow_world.hashes(world.lake) == settled


def _gone(pid: int) -> bool | None:
    return True if procfs.start_ticks(pid) is None else None


def _version(lake_root: Path) -> int:
    version: int = DeltaTable(CUSTOMER_FEATURES.path(lake_root)).version()
    return version


def _job(world: World, name: str) -> int | None:
    """The pid of a job that a worker of the scheduler runs."""
    for pid in procfs.group_members(world.stack.pid("airflow_scheduler") or 0):
        with contextlib.suppress(psutil.NoSuchProcess):
            words = psutil.Process(pid).cmdline()
            if "setpriv" not in words[:1] and any(word.endswith(name) for word in words):
                return pid
    return None
