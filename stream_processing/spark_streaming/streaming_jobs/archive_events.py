"""The plain streams: payments, stock changes and served decisions from Kafka into the lake.

Reads: shop.payment.v1, shop.inventory.v1, decisions.recommendation.v1. Writes: the bronze and silver table of each;
refused rows to bronze.quarantine and the topic's DLQ, late ones to silver.late_event, repeats to
silver.duplicate_event. Grain: silver has one row per event_id, the first to arrive.

Run: `python -m stream_processing.spark_streaming.streaming_jobs.archive_events [--once] [--report FILE] TOPIC ...`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.topics_names import INVENTORY, PAYMENT, RECOMMENDATION_DECISION
from data_lake.transforms import inventory, payment, recommendation
from shared_utils.cli import run_main
from stream_processing.spark_streaming import command
from stream_processing.spark_streaming.job import StreamJob, without_dimensions

JOBS: Final = (
    StreamJob("process_payment", PAYMENT, without_dimensions(payment.transform)),
    StreamJob("process_inventory", INVENTORY, without_dimensions(inventory.transform)),
    StreamJob("archive_recommendation_decision", RECOMMENDATION_DECISION, without_dimensions(recommendation.transform)),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the streams of the given topics, by default of all three."""
    by_topic = {job.topic: job for job in JOBS}
    options = command.parser("Payments, stock changes and decisions from Kafka into the lake.")
    options.add_argument("topics", nargs="*", metavar="TOPIC", help=", ".join(by_topic))
    arguments = options.parse_args(argv)
    return command.run([by_topic[name] for name in arguments.topics or by_topic], arguments)


if __name__ == "__main__":
    run_main(main)
