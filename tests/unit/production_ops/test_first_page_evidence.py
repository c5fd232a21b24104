"""What Airflow and MLflow say, as the page tells it."""

from __future__ import annotations

from typing import Any

import pytest

from production_ops.first_page import evidence
from production_ops.first_page.core.answers import State
from production_ops.first_page.core.balance import books
from production_ops.first_page.evidence import dag_runs, models_gate, path_of_a_click, settled
from shared_utils.errors import DependencyError, PlatformError
from shared_utils.settings import Settings
from tests.fakes.first_page import CORE, FakeStack

API = "mlflow:5000/api/2.0/mlflow"
AIRFLOW = "airflow-apiserver:8080"
RUN = {
    "dag_run_id": "scheduled__2026-11-27", "state": "success", "run_type": "scheduled", "conf": {},
    "start_date": "2026-11-28T04:00:00Z", "end_date": "2026-11-28T04:03:00Z", "data_interval_start": None,
}  # fmt: skip
METRICS = {"ratio_ndcg": 1.103, "ratio_ndcg_low": 1.08, "ratio_ndcg_high": 1.128, "live_basket_ndcg_ratio": 1.47}


def registry(*, gate: str = "passed", alias: str = "champion") -> dict[str, Any]:
    version = {"name": "recommender", "version": "3", "run_id": "r3", "tags": [{"key": "gate", "value": gate}]}
    data = {
        "metrics": [{"key": key, "value": value} for key, value in METRICS.items()],
        "params": [{"key": "kind", "value": "lightgbm"}],
    }
    return {
        f"{API}/registered-models/get": {"registered_model": {"aliases": [{"alias": alias, "version": "3"}]}},
        f"{API}/model-versions/get": {"model_version": version},
        f"{API}/runs/get": {"run": {"data": data}},
        "serving:8000/v1/models": {"models": [{"version": "3", "alias": alias}], "stale": False},
    }


def token() -> str:
    return "made"


def test_the_gate_shows_the_verdict_its_figures_and_what_is_served() -> None:
    found = models_gate(FakeStack({**registry()}).world(), Settings(), token)

    assert found.state is State.SHOWN
    assert found.data["passed"] is True
    assert found.data["ratios"] == [{"name": "NDCG@10", "ratio": 1.103, "low": 1.08, "high": 1.128}]
    assert (found.data["live_ratio"], found.data["kind"], found.data["champion"]) == (1.47, "lightgbm", "3")
    assert found.data["served"] == {"version": "3", "alias": "champion", "stale": False}


def test_a_refusal_is_no_pass_and_neither_is_a_version_without_a_verdict() -> None:
    refused = registry(gate="refused: NDCG@10 is 1.020x the best peer, below 1.10x")
    found = models_gate(FakeStack({**refused}).world(), Settings(), token)
    assert (found.data["passed"], found.data["verdict"][:8]) == (False, "refused:")

    silent = models_gate(FakeStack({**registry(gate="")}).world(), Settings(), token)
    assert (silent.data["passed"], silent.data["verdict"]) == (False, "the version bears no verdict")


def test_a_registry_without_the_model_or_the_alias_is_empty() -> None:
    nothing = FakeStack({f"{API}/registered-models/get": 404}).world()
    assert models_gate(nothing, Settings(), token).state is State.EMPTY
    other = FakeStack({**registry(alias="challenger")}).world()
    assert "No version of recommender is champion" in models_gate(other, Settings(), token).why


def test_an_api_that_is_away_is_said_to_be_away() -> None:
    bodies = registry()
    del bodies["serving:8000/v1/models"]

    assert models_gate(FakeStack(bodies).world(), Settings(), token).data["served"] is None


def test_mlflow_that_does_not_answer_is_a_failure() -> None:
    with pytest.raises(DependencyError, match="MLflow does not answer"):
        models_gate(FakeStack({}).world(), Settings(), token)


def test_without_airflow_the_page_says_how_to_start_it() -> None:
    found = dag_runs(FakeStack().world(), "admin", "made")

    assert (found.state, found.remedy) == (State.NOT_STARTED, "make up PROFILE=batch")


def airflow(**bodies: Any) -> FakeStack:
    runs = {f"{AIRFLOW}/api/v2/dags/{dag}/dagRuns": body for dag, body in bodies.items()}
    return FakeStack({f"{AIRFLOW}/auth/token": {"access_token": "made"}, **runs}, names={*CORE, "airflow-apiserver"})


def test_the_last_runs_of_each_pipeline_are_shown() -> None:
    stack = airflow(etl_clickstream={"dag_runs": [RUN]}, train_model=404)
    found = dag_runs(stack.world(), "admin", "made")

    assert found.state is State.SHOWN
    etl, train = found.data["dags"]
    assert (etl["dag"], etl["runs"][0]["state"], train["runs"]) == ("etl_clickstream", "success", [])
    assert "conf" not in etl["runs"][0]
    assert stack.asked[-1].headers["authorization"] == "Bearer made"


def test_no_run_no_login_and_a_refused_login_are_told_apart() -> None:
    stack = airflow(etl_clickstream={"dag_runs": []}, train_model={"dag_runs": []})
    assert "No pipeline has run yet" in dag_runs(stack.world(), "admin", "made").why
    assert "no login" in dag_runs(stack.world(), "admin", "").why
    stack.bodies[f"{AIRFLOW}/auth/token"] = 401
    with pytest.raises(DependencyError, match="refuses"):
        dag_runs(stack.world(), "admin", "guessed")


def test_a_shop_without_a_click_is_empty_and_a_broker_that_is_away_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def newest(error: PlatformError) -> None:
        def raise_it(_: Settings) -> str:
            raise error

        monkeypatch.setattr(evidence, "newest_click", raise_it)

    newest(PlatformError("shop.click.v1 holds no view.", "Send one."))
    assert path_of_a_click(Settings(), None).state is State.EMPTY
    newest(DependencyError("Kafka does not answer.", "Start it."))
    with pytest.raises(DependencyError):
        path_of_a_click(Settings(), None)


def test_a_batch_that_is_half_written_is_waited_for_and_a_lost_record_stays_lost() -> None:
    topic, paused = "shop.click.v1", list[float]()
    half, whole = ([books(topic, {0: (0, 1)}, [(0, 0)], ends)] for ends in ([], [((topic, 0, 0), "silver")]))
    looks = iter([half, half, whole])

    assert settled(lambda: next(looks), paused.append) == whole
    assert len(paused) == 2
    assert settled(lambda: half, paused.append) == half
    assert len(paused) == 6
