"""Submit a Flink job, go on from its last checkpoint, or end it.

Run: `.venvs/flink/bin/python -m stream_processing.flink_python.run JOB [--from-checkpoint | --cancel]`
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
    """Submit or end the named job."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("job", choices=sorted(JOBS))
    one_of = options.add_mutually_exclusive_group()
    command.add_from_checkpoint(one_of)
    one_of.add_argument("--cancel", action="store_true", help="end the job; its checkpoints stay")
    arguments = options.parse_args(argv)
    if not arguments.cancel:
        return command.run(JOBS[arguments.job], from_checkpoint=arguments.from_checkpoint)
    cluster = Cluster(load_settings().flink)
    running = cluster.running(arguments.job)
    if running is not None:
        cluster.cancel(running)
    log.info("flink_job_cancelled", name=arguments.job, was_running=running is not None)
    return 0


if __name__ == "__main__":
    run_main(main)
