"""Keep jobs running on the cluster: hand it those that it does not run, each from its last checkpoint.

Run: `.venvs/flink/bin/python -m stream_processing.flink_python.keep_running JOB... --mark FILE`. A session cluster
whose JobManager was killed comes back without jobs; those that lost a TaskManager are restarted by the JobManager
itself. The JVM that compiles jobs stays, warm for the next time: a cold one needs half a minute for all of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from shared_utils.cli import run_main, stop_signal
from shared_utils.errors import CheckpointError, DependencyError, PlatformError
from shared_utils.settings import Settings, load_settings
from stream_processing.flink_python import checkpoints, command
from stream_processing.flink_python.cluster import Cluster
from stream_processing.flink_python.run import JOBS

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 2.0
Start = Callable[[str, bool], object]
"""Starts the job of a name, from its last checkpoint or from the beginning; PlatformError when it does not run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Look every few seconds, until told to end."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("jobs", nargs="+", choices=sorted(JOBS), metavar="JOB", help=", ".join(sorted(JOBS)))
    options.add_argument("--mark", type=Path, required=True, metavar="FILE", help="FILE is there while all jobs run")
    arguments = options.parse_args(argv)
    settings, mark = load_settings(), arguments.mark
    cluster = Cluster(settings.flink)

    def start(name: str, from_checkpoint: bool) -> None:
        command.start(JOBS[name], settings, from_checkpoint=from_checkpoint)

    with stop_signal() as stopped:
        while not stopped.is_set():
            try:
                if all_running(arguments.jobs, cluster):
                    mark.touch()
                else:
                    mark.unlink(missing_ok=True)
                    ensure(arguments.jobs, settings, cluster, start)
            except DependencyError as exc:
                mark.unlink(missing_ok=True)
                log.warning("flink_cluster_silent", error=exc.message)
            stopped.wait(_LOOK_SECONDS)
    return 0


def ensure(names: Sequence[str], settings: Settings, cluster: Cluster, start: Start) -> None:
    """Start the jobs that the cluster does not have. One that cannot start does not keep the others from it.

    Raises:
        DependencyError: the cluster does not answer.
    """
    for name in names:
        if cluster.running(name) is None:
            try:
                start(name, _has_checkpoint(name, settings))
            except PlatformError as exc:
                log.warning("flink_job_not_started", name=name, error=exc.message)


def all_running(names: Sequence[str], cluster: Cluster) -> bool:
    """Whether each job runs, rather than waits to be restarted.

    Raises:
        DependencyError: the cluster does not answer.
    """
    return set(names) <= {job.name for job in cluster.jobs() if job.state == "RUNNING"}


def _has_checkpoint(name: str, settings: Settings) -> bool:
    try:
        checkpoints.latest(name, settings)
    except CheckpointError:
        return False
    return True


if __name__ == "__main__":
    run_main(main)
