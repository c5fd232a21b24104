"""The cluster over its REST interface: is it there, which jobs run."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from shared_utils.errors import DependencyError
from shared_utils.settings import FlinkSettings

_ANSWER_SECONDS: Final = 10.0
_ENDED: Final = frozenset({"FINISHED", "CANCELED", "FAILED"})


@dataclass(frozen=True)
class JobStatus:
    """A job as the JobManager knows it; `state` is Flink's word, such as RUNNING or RESTARTING."""

    job_id: str
    name: str
    state: str

    @property
    def ended(self) -> bool:
        """Whether it will never run again."""
        return self.state in _ENDED


class Cluster:
    """A JobManager.

    Every method raises DependencyError when it does not answer.
    """

    def __init__(self, settings: FlinkSettings) -> None:
        self._url = settings.rest_url

    def free_slots(self) -> int:
        """Slots without a task."""
        return int(self.get("/overview")["slots-available"])

    def jobs(self) -> list[JobStatus]:
        """All jobs that this JobManager remembers, the latest start first."""
        listed = sorted(self.get("/jobs/overview")["jobs"], key=lambda job: -job["start-time"])
        return [JobStatus(job["jid"], job["name"], job["state"]) for job in listed]

    def running(self, name: str) -> JobStatus | None:
        """The job of that name that has not ended, if any."""
        return next((job for job in self.jobs() if job.name == name and not job.ended), None)

    def cancel(self, job: JobStatus) -> None:
        """Ask the job to end; its checkpoints stay."""
        self._request(f"/jobs/{job.job_id}?mode=cancel", "PATCH")

    def get(self, path: str) -> Any:
        """The JSON document at `path`."""
        return json.loads(self._request(path, "GET"))

    def _request(self, path: str, method: str) -> bytes:
        request = urllib.request.Request(self._url + path, method=method)  # noqa: S310 (the scheme is the setting's)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as response:  # noqa: S310
                return bytes(response.read())
        except (OSError, urllib.error.HTTPError) as exc:
            raise DependencyError(
                f"The Flink cluster at {self._url} does not answer ({exc}).",
                "Start flink_jobmanager and flink_taskmanager, or correct SHOP_FLINK__REST_URL.",
            ) from exc
