"""Submit Flink jobs, go on from their last checkpoints, or end them.

Run: `.venvs/flink/bin/python -m stream_processing.flink_python.run JOB... [--from-checkpoint | --cancel]`
Several jobs share one compiling JVM, whose start costs more than a job.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from shared_utils.cli import run_main
from shared_utils.settings import load_settings
from stream_processing.flink_python import command
from stream_processing.flink_python.cep_jobs import fraud_pattern_detector
from stream_processing.flink_python.cluster import Cluster
from stream_processing.flink_python.job import FlinkJob
from stream_processing.flink_python.windows import realtime_features, session_aggregator

log = structlog.get_logger(__name__)

JOBS: Final[Mapping[str, FlinkJob]] = {
    job.name: job for job in (realtime_features.JOB, session_aggregator.JOB, fraud_pattern_detector.JOB)
}


def main(argv: Sequence[str] | None = None) -> int:
    """Submit or end the named jobs, in the order of their names on the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("jobs", nargs="+", choices=sorted(JOBS), metavar="JOB", help=", ".join(sorted(JOBS)))
    one_of = options.add_mutually_exclusive_group()
    command.add_from_checkpoint(one_of)
    one_of.add_argument("--cancel", action="store_true", help="end the jobs; their checkpoints stay")
    arguments = options.parse_args(argv)
    for name in arguments.jobs:
        if arguments.cancel:
            _cancel(name)
        else:
            command.run(JOBS[name], from_checkpoint=arguments.from_checkpoint)
    return 0


def _cancel(name: str) -> None:
    cluster = Cluster(load_settings().flink)
    running = cluster.running(name)
    if running is not None:
        cluster.cancel(running)
    log.info("flink_job_cancelled", name=name, was_running=running is not None)


if __name__ == "__main__":
    run_main(main)
