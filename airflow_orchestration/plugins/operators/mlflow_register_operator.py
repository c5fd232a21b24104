"""Registers a judged training in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_orchestration.plugins.operators.platform_job_operator import PlatformJobOperator


class MlflowRegisterOperator(PlatformJobOperator):
    """Makes the training of `cutoff` a version: `@challenger` always, `@champion` where the gate let it pass.

    Gives `name`, `version`, `run_id` and `champion`. The gate's refusal is a result, not a failure.
    """

    def __init__(self, *, cutoff: str, **kwargs: Any) -> None:
        super().__init__(module="ml_modeling.registry.register_training", arguments=["--cutoff", cutoff], **kwargs)

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any] | None:
        """Register, and say on the task what became of the version. Raises as `PlatformJobOperator.execute`."""
        registered = super().execute(context)
        if registered:
            moved = "@champion moved to it" if registered["champion"] else "@champion stays: the gate refused it"
            self.log.info("%s version %s: %s", registered["name"], registered["version"], moved)
        return registered
