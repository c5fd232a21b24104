"""Runs a job of the platform, a module by its path, in the platform environment's Python."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from shared_utils.environments import platform_python
from shared_utils.errors import ConfigurationError, ContractError
from shared_utils.settings import REPO_ROOT, process_environment

USELESS_TO_RETRY = frozenset({ConfigurationError.exit_code, ContractError.exit_code})
"""Exit codes that the same arguments give again; every other failure may pass with time or with a repair."""


def command(module: str, arguments: Sequence[str]) -> list[str]:
    """The job's command line. The job dies with the task that started it: a retry must find no first try at work."""
    return ["setpriv", "--pdeathsig", "KILL", "--", str(platform_python()), "-m", module, *arguments]


def job_environment() -> dict[str, str]:
    """The environment of this process without Airflow's part of it, which holds secrets that no job needs."""
    return {
        name: value for name, value in process_environment().items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))
    }


class PlatformJobHook(BaseHook):
    """Starts jobs, writes what they say to the task's log, and turns their exit codes into Airflow's verdicts."""

    def __init__(self) -> None:
        super().__init__()
        self._process: subprocess.Popen[str] | None = None

    def run(self, module: str, arguments: Sequence[str]) -> dict[str, Any] | None:
        """Run a job to its end; gives its last line where that is a JSON object.

        Raises:
            AirflowFailException: the job refused its arguments or settings, so a retry would end the same way.
            AirflowException: the job failed or was killed.
        """
        line = ""
        words = command(module, arguments)
        self.log.info("job: %s", " ".join(words))
        self._process = subprocess.Popen(  # noqa: S603 (a module of this repository; no shell reads the arguments)
            words,
            cwd=REPO_ROOT,
            env=job_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for line in self._process.stdout or ():
            self.log.info(line.rstrip())
        status = self._process.wait()
        if status in USELESS_TO_RETRY:
            raise AirflowFailException(f"{module} refused its arguments or settings (status {status}); see the log.")
        if status:
            raise AirflowException(f"{module} ended with status {status}.")
        return _object(line)

    def stop(self) -> None:
        """End a running job, as Airflow asks when a task times out or is marked by hand."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
