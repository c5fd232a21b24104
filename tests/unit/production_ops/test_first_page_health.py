"""The page calls well what answered well, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from production_ops.first_page.core import health
from production_ops.first_page.services import look
from tests.fakes.first_page import CORE, STREAMING, TOPICS, FakeRedis, FakeStack, silent


def seen(stack: FakeStack) -> dict[str, Any]:
    with ThreadPoolExecutor(4) as pool:
        return health.as_json(look(stack.world(), pool))


def of(found: dict[str, Any], name: str) -> tuple[str, str]:
    """A service's health and what is said of it."""
    return next(
        (one["health"], one["detail"]) for part in found["parts"] for one in part["services"] if one["name"] == name
    )


def test_the_core_alone_is_well_and_the_other_parts_say_how_they_are_started() -> None:
    found = seen(FakeStack())

    assert found["faults"] == []
    assert found["healthy"] == found["judged"] == 10
    assert of(found, "kafka") == ("healthy", TOPICS)
    assert of(found, "redis") == ("healthy", "answers; 1,234 keys")
    assert of(found, "replay")[0] == "runs"
    started = {part["name"]: part["started"] for part in found["parts"]}
    assert started == {"core": True, "streaming": False, "batch": False, "observe": False}
    assert [part["start"] for part in found["parts"]][1] == "make up PROFILE=streaming"


def test_what_the_page_may_not_enter_is_neither_well_nor_a_fault() -> None:
    state, detail = of(seen(FakeStack()), "sail")

    assert state == "unseen"
    assert "make ps" in detail


@pytest.mark.parametrize(
    ("fault", "down"),
    [
        ({"serving:8000/readyz": 503}, ["serving"]),
        ({"serving:8000/readyz": None}, ["serving"]),
        ({"mlflow:5000/api/2.0/mlflow/registered-models/search": 500}, ["postgres"]),
        ({"mlflow:5000/api/2.0/mlflow-artifacts/artifacts": 500}, ["object-store"]),
    ],
)
def test_a_bad_answer_is_a_fault_of_its_service_alone(fault: dict[str, int | None], down: list[str]) -> None:
    stack = FakeStack()
    for address, status in fault.items():
        if status is None:
            del stack.bodies[address]
        else:
            stack.bodies[address] = status

    assert seen(stack)["faults"] == down


def test_redis_and_kafka_that_do_not_answer_are_faults() -> None:
    assert seen(FakeStack(redis=FakeRedis(away=True), broker=silent))["faults"] == ["kafka", "redis"]


def test_a_core_service_without_a_container_is_a_fault() -> None:
    found = seen(FakeStack(names={*CORE} - {"replay"}))

    assert found["faults"] == ["replay"]
    assert of(found, "replay") == ("absent", "no container runs")


def test_nothing_is_said_of_a_service_whose_witness_is_away() -> None:
    stack = FakeStack(names={*CORE} - {"mlflow"})
    found = seen(stack)

    assert found["faults"] == ["mlflow"]
    assert of(found, "postgres") == ("unseen", "seen through mlflow, which does not run")


def test_a_part_that_runs_is_judged_whole() -> None:
    stack = FakeStack(names={*CORE, *STREAMING})
    assert seen(stack)["faults"] == []
    assert of(seen(stack), "flink-jobs") == ("healthy", "3 jobs run")

    stack.bodies["flink-jobmanager:8081/overview"] = {"taskmanagers": 1, "jobs-running": 0}
    assert seen(stack)["faults"] == ["flink-jobs"]
    assert seen(FakeStack(names={*CORE, "spark-streaming"}))["faults"] == ["flink-jobmanager"]


def test_airflow_is_well_when_all_its_servers_are() -> None:
    healthy = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "dag_processor", "triggerer")}
    stack = FakeStack(names={*CORE, "airflow-apiserver"})
    stack.bodies["airflow-apiserver:8080/api/v2/monitor/health"] = healthy
    assert seen(stack)["faults"] == []

    stack.bodies["airflow-apiserver:8080/api/v2/monitor/health"] = {**healthy, "scheduler": {"status": None}}
    assert seen(stack)["faults"] == ["airflow-scheduler"]
    assert of(seen(stack), "airflow-scheduler") == ("down", "Airflow calls it unknown")


def test_the_login_is_shown_to_mlflow_alone() -> None:
    stack = FakeStack(names={*CORE, *STREAMING, "prometheus"})
    seen(stack)

    shown = {request.url.host for request in stack.asked if "authorization" in request.headers}
    assert shown == {"mlflow"}
