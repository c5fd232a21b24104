"""The command line that every Flink job shares: check, submit, wait until it runs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Final

import structlog

from shared_utils.errors import ConfigurationError, DataError, DependencyError
from shared_utils.settings import Settings, load_settings
from stream_processing.flink_python import checkpoints
from stream_processing.flink_python.cluster import Cluster, JobStatus
from stream_processing.flink_python.job import FlinkJob
from stream_processing.flink_python.submit import submit

log = structlog.get_logger(__name__)

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


def add_from_checkpoint(options: argparse._ActionsContainer) -> None:
    """The option of every start."""
    options.add_argument(
        "--from-checkpoint", action="store_true", help="go on from the job's last checkpoint (default: read all again)"
    )


def run_job(job: FlinkJob, argv: Sequence[str] | None) -> int:
    """Submit one job with the arguments of its own command."""
    options = argparse.ArgumentParser(description=f"Submit {job.name} to the Flink cluster.")
    add_from_checkpoint(options)
    arguments = options.parse_args(argv)
    return run(job, from_checkpoint=arguments.from_checkpoint)


def run(job: FlinkJob, *, from_checkpoint: bool) -> int:
    """Submit one job with the process's settings."""
    start(job, load_settings(), from_checkpoint=from_checkpoint)
    return 0


def start(job: FlinkJob, settings: Settings, *, from_checkpoint: bool) -> JobStatus:
    """Submit a job and wait until it runs.

    Raises:
        DependencyError: the cluster does not answer, has too few slots, or the job does not run by its deadline.
        ConfigurationError: a job of this name runs already.
        CheckpointError: there is no checkpoint to go on from.
        DataError: a file that the job reads is missing.
    """
    cluster = Cluster(settings.flink)
    _check(job, settings, cluster)
    restore = checkpoints.latest(job.name, settings) if from_checkpoint else None
    began = time.monotonic()
    job_id = submit(job, settings, restore)
    status = _wait_running(job_id, cluster)
    seconds = round(time.monotonic() - began, 1)
    log.info("flink_job_running", name=job.name, job_id=job_id, restored=str(restore or ""), seconds=seconds)
    return status


def _check(job: FlinkJob, settings: Settings, cluster: Cluster) -> None:
    running = cluster.running(job.name)
    if running is not None:
        raise ConfigurationError(
            f"{job.name} is {running.state} already, as {running.job_id}.",
            f"Leave it, or end it first: python -m stream_processing.flink_python.run {job.name} --cancel.",
        )
    if cluster.free_slots() < settings.flink.parallelism:
        raise DependencyError(
            f"The Flink cluster has no {settings.flink.parallelism} free slots for {job.name}.",
            "Start flink_taskmanager, or end another job.",
        )
    missing = [path for path in job.files(settings) if not path.exists()]
    if missing:
        raise DataError(
            f"{job.name} reads {missing[0]}, which does not exist.",
            "Write it: python -m stream_processing.flink_python.product_category.",
        )


def _wait_running(job_id: str, cluster: Cluster) -> JobStatus:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        detail = cluster.get(f"/jobs/{job_id}")
        tasks = {task["status"] for task in detail["vertices"]}
        if detail["state"] == "RUNNING" and tasks <= {"RUNNING", "FINISHED"}:
            return JobStatus(job_id, detail["name"], detail["state"])
        if detail["state"] == "FAILED":
            break
        time.sleep(_POLL_SECONDS)
    root = cluster.get(f"/jobs/{job_id}/exceptions").get("exceptionHistory", {}).get("entries", [])
    reason = root[0]["stacktrace"].splitlines()[0] if root else "no reason given"
    raise DependencyError(f"The job {job_id} did not start: {reason}.", "See the log of flink_taskmanager.")
