"""Several streams in one driver: one JVM start, one session.

Run: `python -m stream_processing.spark_streaming.run [--once] [--report FILE] --topics all|TOPIC,TOPIC`
Checkpoints and transactions are the jobs' own, so a topic may be run alone today and together tomorrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError
from stream_processing.spark_streaming import command
from stream_processing.spark_streaming.job import StreamJob
from stream_processing.spark_streaming.streaming_jobs import archive_events, enrich_transaction, process_clickstream

JOBS: Final = (process_clickstream.JOB, enrich_transaction.JOB, *archive_events.JOBS)


def select_jobs(topics: str) -> list[StreamJob]:
    """The jobs of a comma-separated list of topics, or of `all`. Raises ConfigurationError for an unknown one."""
    by_topic = {job.topic: job for job in JOBS}
    names = list(by_topic) if topics == "all" else topics.split(",")
    if unknown := [name for name in names if name not in by_topic]:
        raise ConfigurationError(f"No stream reads {', '.join(unknown)}.", f"Use all, or some of {','.join(by_topic)}.")
    return [by_topic[name] for name in names]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the streams of the chosen topics together."""
    options = command.parser("Streams from Kafka into the lake, in one driver.")
    options.add_argument("--topics", default="all", metavar="all|TOPIC,...", help="which topics (default: all)")
    arguments = options.parse_args(argv)
    return command.run(select_jobs(arguments.topics), arguments)


if __name__ == "__main__":
    run_main(main)
