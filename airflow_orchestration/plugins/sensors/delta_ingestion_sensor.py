"""Waits until bronze holds an interval: on the triggerer, so that a waiting run takes no worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_orchestration.plugins.hooks.platform_job_hook import PlatformJobHook, command, job_environment
from airflow_orchestration.plugins.operators.platform_job_operator import refuse_unknown_conf
from shared_utils.settings import REPO_ROOT

ARRIVALS_JOB: Final = "data_lake.arrivals"


class DeltaIngestionTrigger(BaseTrigger):
    """Asks every `poke_seconds` whether all `tables` are complete up to `until`; fires when they are."""

    def __init__(self, tables: Sequence[str], until: str, poke_seconds: float) -> None:
        super().__init__()
        self.tables = list(tables)
        self.until = until
        self.poke_seconds = poke_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How the triggerer makes it again."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"tables": self.tables, "until": self.until, "poke_seconds": self.poke_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Give one event: `{"landed": true}`, or the error that ended the waiting."""
        while True:
            job = await asyncio.create_subprocess_exec(
                *command(ARRIVALS_JOB, question(self.tables, self.until)),
                cwd=REPO_ROOT,
                env=job_environment(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await job.communicate()
            if job.returncode:
                yield TriggerEvent({"landed": False, "error": output.decode(errors="replace")[-2_000:]})
                return
            if json.loads(output.splitlines()[-1])["landed"]:
                yield TriggerEvent({"landed": True})
                return
            await asyncio.sleep(self.poke_seconds)


class DeltaIngestionSensor(BaseOperator):
    """Succeeds when bronze `tables` hold all of the days before `until` that silver will take (`data_lake.arrivals`).

    Looks once at once; after that the triggerer looks, for at most `wait`. Where `wait_if`, a template, does not read
    "True" it does not look.
    """

    template_fields: Sequence[str] = ("until", "wait_if")

    def __init__(
        self,
        *,
        tables: Sequence[str],
        until: str,
        wait: timedelta,
        wait_if: str = "True",
        poke_seconds: float = 60.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tables = tables
        self.until = until
        self.wait = wait
        self.wait_if = wait_if
        self.poke_seconds = poke_seconds

    def execute(self, context: Mapping[str, Any]) -> None:
        """Look, and go to the triggerer where it has not landed. Raises as `PlatformJobHook.run`."""
        refuse_unknown_conf(context)
        if self.wait_if != "True":
            self.log.info("wait_if is %r: not waiting.", self.wait_if)
            return
        answer = PlatformJobHook().run(ARRIVALS_JOB, question(self.tables, self.until))
        if answer is None or not answer["landed"]:
            self.defer(
                trigger=DeltaIngestionTrigger(self.tables, self.until, self.poke_seconds),
                method_name="resume",
                timeout=self.wait,
            )

    def resume(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Raises AirflowException: the triggerer could not look."""
        if not event["landed"]:
            raise AirflowException(f"{ARRIVALS_JOB} failed: {event['error']}")


def question(tables: Sequence[str], until: str) -> list[str]:
    """The arguments of the job that looks."""
    return ["--until", until, *(word for table in tables for word in ("--table", table))]
