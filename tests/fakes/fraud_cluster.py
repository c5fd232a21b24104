"""Kafka and Flink with the fraud detector on them, as its command starts it."""

from __future__ import annotations

import time
import uuid

import confluent_kafka as kafka

from contracts.registry import load_topics
from contracts.topics_names import FRAUD_ALERT, PAYMENT, TRANSACTION
from production_ops.proofs.fraud_reference import Event, accepted_events, expected_alerts
from shared_utils.kafka_helpers import reader_config
from shared_utils.local_stack import LocalStack
from shared_utils.records import Received
from stream_processing.core.fraud_rules import RULES_FILE, load_rules
from tests.fakes.flink_cluster import FlinkUnderTest

NAMES = ["kafka", "flink_jobmanager", "flink_taskmanager"]
JOB = "fraud_pattern_detector"
STILL_SECONDS = 5
"""So long without a new alert, and the detector has said what it had to say."""


class FraudCluster(FlinkUnderTest):
    """A running stack with its topics; `settings` are more `SHOP_` variables for the job."""

    def __init__(self, stack: LocalStack, **settings: str) -> None:
        super().__init__(stack, **{"SHOP_FLINK__CHECKPOINT_INTERVAL_MS": "1000", **settings})

    def submit(self, *options: str) -> None:
        """The job's own command; fails with its words."""
        self.start(JOB, *options)

    def expected(self) -> list[Event]:
        """What brute force finds in the topics as they lie in Kafka."""
        lateness = self.settings.flink.fraud_lateness_seconds
        payments, purchases = (accepted_events(self.received(topic), lateness) for topic in (PAYMENT, TRANSACTION))
        return expected_alerts(load_rules(self.settings.flink.fraud_rules_file or RULES_FILE), payments, purchases)

    def wait_alerts(self, count: int, seconds: float) -> list[Received]:
        """All alerts, once there are `count` different ones and none has come for some seconds."""
        deadline = time.monotonic() + seconds
        consumer = kafka.Consumer(reader_config(self.settings.kafka, f"test-{uuid.uuid4()}"))
        partitions = range(load_topics()[FRAUD_ALERT].partitions)
        consumer.assign([kafka.TopicPartition(FRAUD_ALERT, number, kafka.OFFSET_BEGINNING) for number in partitions])
        different: set[bytes] = set()
        latest = time.monotonic()
        try:
            while time.monotonic() < deadline:
                record = consumer.poll(0.2)
                if record is not None and record.error() is None:
                    different.add(record.value())
                    latest = time.monotonic()
                elif len(different) >= count and time.monotonic() - latest > STILL_SECONDS:
                    break
        finally:
            consumer.close()
        return self.received(FRAUD_ALERT)
