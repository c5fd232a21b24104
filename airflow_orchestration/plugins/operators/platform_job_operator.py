"""One job of the platform as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_orchestration.plugins.hooks.platform_job_hook import PlatformJobHook


class PlatformJobOperator(BaseOperator):
    """Runs `python -m module arguments` in the platform environment. Gives the job's last line if it is JSON.

    `arguments` are templates. `run_if` is one too: where it does not read "True" the task is skipped.
    """

    template_fields: Sequence[str] = ("arguments", "run_if")

    def __init__(self, *, module: str, arguments: Sequence[str] = (), run_if: str = "True", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.arguments = arguments
        self.run_if = run_if

    @cached_property
    def hook(self) -> PlatformJobHook:
        """What runs the job."""
        return PlatformJobHook()

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run the job.

        Raises:
            AirflowSkipException: `run_if` says no.
            AirflowFailException: the run's conf has a key that the DAG does not know, or as `PlatformJobHook.run`.
            AirflowException: as `PlatformJobHook.run`.
        """
        refuse_unknown_conf(context)
        if self.run_if != "True":
            raise AirflowSkipException(f"run_if is {self.run_if!r}.")
        return self.hook.run(self.module, self.arguments)

    def on_kill(self) -> None:
        """End the job with the task."""
        self.hook.stop()


def refuse_unknown_conf(context: Mapping[str, Any]) -> None:
    """Airflow checks the values of a run's conf, but lets a misspelt key pass.

    Raises:
        AirflowFailException: a key is no parameter of the DAG.
    """
    known = set(context["dag"].params)
    unknown = sorted(set(context["dag_run"].conf or {}) - known)
    if unknown:
        raise AirflowFailException(f"conf has unknown keys: {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
