"""How a job's end becomes a task's: in Airflow's own environment, without a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from shared_utils.environments import airflow_python
from shared_utils.settings import REPO_ROOT, process_environment

JOB = "tests.fakes.ending_job"
AIRFLOWS_OWN = "AIRFLOW__API_AUTH__JWT_SECRET"


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    env = {**process_environment(), "AIRFLOW_HOME": str(tmp_path), AIRFLOWS_OWN: "s" * 64, "SHOP_LOG_LEVEL": "INFO"}

    def start(*endings: list[str]) -> subprocess.Popen[str]:
        argv = [str(airflow_python()), "-m", "tests.fakes.hook_caller", json.dumps(endings)]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, cwd=REPO_ROOT, env=env, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    return start


def test_a_jobs_end_becomes_its_tasks(call: Callable[..., subprocess.Popen[str]]) -> None:
    output, _ = call(["0", '{"rows": 3}'], ["0", "done"], ["2", "x"], ["3", "x"], ["4", "x"], ["8", "x"]).communicate()

    assert json.loads(output.splitlines()[-1]) == [
        {"result": {"rows": 3}},
        {"result": None},
        {"fails for good": f"{JOB} refused its arguments or settings (status 2); see the log."},
        {"fails for good": f"{JOB} refused its arguments or settings (status 3); see the log."},
        {"may be retried": f"{JOB} ended with status 4."},
        {"may be retried": f"{JOB} ended with status 8."},
    ]


def test_a_job_gets_the_platforms_settings_and_no_secret_of_airflow(
    call: Callable[..., subprocess.Popen[str]],
) -> None:
    output, _ = call(["0", "done"]).communicate()

    assert "SHOP_LOG_LEVEL" in output
    assert "AIRFLOW" not in output.replace(f"job: setpriv --pdeathsig KILL -- {REPO_ROOT}", "")


def test_a_job_dies_with_the_task_that_started_it(call: Callable[..., subprocess.Popen[str]]) -> None:
    with call(["0", "asleep now", "60"]) as task:
        job = _child(task.pid)
        assert any("asleep now" in line and "job:" not in line for line in task.stdout or ())
        os.kill(task.pid, signal.SIGKILL)

        job.wait(10)  # raises when it lives on


def _child(pid: int) -> psutil.Process:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process(pid).children():
            if JOB in child.cmdline() and "setpriv" not in child.cmdline()[0]:
                return child
        time.sleep(0.05)
    raise AssertionError("the job did not start")
