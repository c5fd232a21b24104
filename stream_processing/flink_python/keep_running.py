"""Keep jobs running on the cluster: hand it those that it does not run, each from its last checkpoint.

Run: `.venvs/flink/bin/python -m stream_processing.flink_python.keep_running JOB...`. A session cluster that was killed
comes back without jobs. Jobs are compiled in a process of their own, which ends: its JVM is larger than this one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from shared_utils.cli import run_main, stop_signal
from shared_utils.errors import CheckpointError, DependencyError
from shared_utils.settings import Settings, load_settings
from stream_processing.flink_python import checkpoints
from stream_processing.flink_python.cluster import Cluster
from stream_processing.flink_python.run import JOBS

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 5.0
_RUN: Final = "stream_processing.flink_python.run"
Submit = Callable[[Sequence[str]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Look every few seconds, until told to end."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("jobs", nargs="+", choices=sorted(JOBS), metavar="JOB", help=", ".join(sorted(JOBS)))
    options.add_argument("--mark", type=Path, required=True, help="this file exists while all jobs run")
    arguments = options.parse_args(argv)
    settings, mark = load_settings(), arguments.mark
    with stop_signal() as stopped:
        while not stopped.is_set():
            try:
                all_run = not ensure(arguments.jobs, settings, Cluster(settings.flink), _submit)
            except DependencyError as exc:
                all_run = False
                log.warning("flink_cluster_silent", error=exc.message)
            if all_run:
                mark.touch()
            else:
                mark.unlink(missing_ok=True)
            stopped.wait(_LOOK_SECONDS)
    return 0


def ensure(names: Sequence[str], settings: Settings, cluster: Cluster, submit: Submit) -> list[str]:
    """Submit the jobs that do not run: those that begin together, those that go on together. Gives the names of both.

    Raises:
        DependencyError: the cluster does not answer.
    """
    missing = [name for name in names if cluster.running(name) is None]
    going_on = [name for name in missing if _has_checkpoint(name, settings)]
    beginning = [name for name in missing if name not in going_on]
    for chosen, words in ((beginning, ()), (going_on, ("--from-checkpoint",))):
        if chosen and (status := submit([*chosen, *words])):
            log.warning("flink_jobs_not_submitted", jobs=chosen, exit_code=status)
    return missing


def _has_checkpoint(name: str, settings: Settings) -> bool:
    try:
        checkpoints.latest(name, settings)
    except CheckpointError:
        return False
    return True


def _submit(words: Sequence[str]) -> int:
    return subprocess.run([sys.executable, "-m", _RUN, *words], check=False).returncode  # noqa: S603 (this package)


if __name__ == "__main__":
    run_main(main)
