"""Airflow as a user meets it: its REST API, asked until a run has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

SERVERS = ("airflow_api", "airflow_scheduler", "airflow_dag_processor", "airflow_triggerer")
ENDED = frozenset({"success", "failed"})
LOCKED, SQLITE_TRIES = (httpx.codes.INTERNAL_SERVER_ERROR, httpx.codes.SERVICE_UNAVAILABLE), 3
Json = dict[str, Any]
T = TypeVar("T")


class AirflowApi:
    """A client of the api-server at `url`, logged in as its admin.

    `on_sqlite`: an answer 500 or 503 is asked for again, twice at most; Airflow could not write then, and has not
    (ADR 0012). On PostgreSQL either is a fault.
    """

    def __init__(self, url: str, admin_password: str, *, on_sqlite: bool = False) -> None:
        self._tries = SQLITE_TRIES if on_sqlite else 1
        self.client = httpx.Client(base_url=url, timeout=120, trust_env=False)
        answer = self.client.post("/auth/token", json={"username": "admin", "password": admin_password})
        assert answer.status_code == 201, answer.text
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def ask(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        for _ in range(self._tries):
            answer = self.client.request(method, f"/api/v2{path}", json=body)
            if answer.status_code not in LOCKED:
                break
        return answer

    def get(self, path: str) -> Json:
        answer = self.ask("GET", path)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def unpause(self, dag_id: str, *, paused: bool = False) -> None:
        answer = wait_for(
            lambda: (
                found if (found := self.ask("PATCH", f"/dags/{dag_id}", {"is_paused": paused})).is_success else None
            ),
            180,
            f"{dag_id} parsed",
        )
        assert answer.json()["is_paused"] is paused

    def trigger(self, dag_id: str, **conf: Any) -> str:
        answer = self.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
        assert answer.is_success, answer.text
        return str(answer.json()["dag_run_id"])

    def runs(self, dag_id: str, run_type: str) -> list[Json]:
        """The runs of a type, in the order in which they were made."""
        found = self.get(f"/dags/{dag_id}/dagRuns?run_type={run_type}&order_by=run_after")["dag_runs"]
        return list(found)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, Json]:
        found = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        content = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}")["content"]
        return "\n".join(json.dumps(line) for line in content)

    def finished(self, dag_id: str, run_id: str, seconds: float = 900) -> dict[str, Json]:
        """The tasks of a run that has succeeded; fails with the log of what did not."""
        run = wait_for(
            lambda: run if (run := self.get(f"/dags/{dag_id}/dagRuns/{run_id}"))["state"] in ENDED else None,
            seconds,
            lambda: f"{run_id} ended: {self._states(dag_id, run_id)}",
        )
        tasks = self.tasks(dag_id, run_id)
        if run["state"] != "success":
            logs = [
                self.log(dag_id, run_id, t, task["try_number"])[-3_000:]
                for t, task in tasks.items()
                if task["state"] == "failed"
            ]
            raise AssertionError(f"{run_id} failed: {self._states(dag_id, run_id)}\n" + "\n".join(logs))
        return tasks

    def _states(self, dag_id: str, run_id: str) -> Json:
        return {name: task["state"] for name, task in self.tasks(dag_id, run_id).items()}


def password(run_dir: Path) -> str:
    return str(json.loads((run_dir / "airflow" / "secrets" / "passwords.json").read_text())["admin"])


def wait_for(look: Callable[[], T | None], seconds: float, what: str | Callable[[], str]) -> T:
    """What `look` gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.5)
    return found
