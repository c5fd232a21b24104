"""Clicks from Kafka into the lake.

Reads: shop.click.v1. Writes: bronze.click, silver.click; refused rows to bronze.quarantine and shop.click.v1.dlq, late
ones to silver.late_event, repeats to silver.duplicate_event. Grain: one silver row per event_id, the first to arrive.

Run: `python -m stream_processing.spark_streaming.streaming_jobs.process_clickstream [--once] [--report FILE]`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.topics_names import CLICK
from data_lake.transforms.click import transform
from shared_utils.cli import run_main
from stream_processing.spark_streaming import command
from stream_processing.spark_streaming.job import StreamJob, without_dimensions

JOB: Final = StreamJob("process_clickstream", CLICK, without_dimensions(transform))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the clickstream."""
    return command.run([JOB], command.parser("Clicks from Kafka into the lake.").parse_args(argv))


if __name__ == "__main__":
    run_main(main)
