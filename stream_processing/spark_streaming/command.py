"""The command line that every stream shares."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from contracts.registry import topic as topic_of
from contracts.topics_names import dlq_name
from data_lake.storage import root_of
from shared_utils.settings import Settings, load_settings
from stream_processing.core.tally import Tally
from stream_processing.spark_streaming import runner
from stream_processing.spark_streaming.broker import require_topics
from stream_processing.spark_streaming.job import StreamJob
from stream_processing.spark_streaming.session import start_session


def parser(description: str) -> argparse.ArgumentParser:
    """The options of a streaming job."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--once", action="store_true", help="write what the topics hold now, then stop")
    options.add_argument("--mark", type=Path, metavar="FILE", help="touch FILE once every stream follows its topic")
    options.add_argument("--report", type=Path, metavar="FILE", help="write the counts as JSON to FILE")
    options.add_argument(
        "--rebuild-checkpoint",
        action="store_true",
        help="start without a checkpoint on a lake that has rows: read all again, write only what is missing",
    )
    return options


def run(jobs: Sequence[StreamJob], arguments: argparse.Namespace) -> int:
    """Run the jobs in one driver; print and report their counts.

    Raises:
        CheckpointError, DependencyError, RejectRatioError: see `runner`.
    """
    settings = load_settings()
    streams = [runner.prepare(job, settings, rebuild=arguments.rebuild_checkpoint) for job in jobs]
    require_topics(_topics(jobs), settings.kafka)
    spark = start_session("+".join(job.name for job in jobs), root_of(settings))
    try:
        if arguments.once:
            tallies = runner.drain(spark, streams, settings)
        else:
            tallies = runner.follow(spark, streams, settings, arguments.mark)
    finally:
        spark.stop()
    if arguments.report:
        write_report(tallies, arguments.report)
    Console().print(_as_table(tallies, settings))
    return 0


def write_report(tallies: Sequence[Tally], path: Path) -> None:
    """The counts by topic, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({t.topic: t.report() for t in tallies}, indent=2) + "\n", encoding="utf-8")


def _topics(jobs: Sequence[StreamJob]) -> list[str]:
    letters = [dlq_name(job.topic) for job in jobs if topic_of(job.topic).dlq]
    return [*(job.topic for job in jobs), *letters]


def _as_table(tallies: Sequence[Tally], settings: Settings) -> Table:
    table = Table("topic", title=f"into {root_of(settings)}", title_justify="left")
    for name in ("received", "silver", "late", "duplicate", "quarantine", "batches", "seconds"):
        table.add_column(name, justify="right")
    for tally in tallies:
        fates = [tally.count(fate) for fate in ("silver", "late", "duplicate", "quarantine")]
        numbers = [tally.received, *fates, tally.batches]
        table.add_row(tally.topic, *(f"{n:,}" for n in numbers), f"{tally.seconds:.1f}")
    return table
