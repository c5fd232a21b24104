"""Kafka and Flink with the fraud detector on them, as its command starts it."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Sequence

import confluent_kafka as kafka

from contracts.registry import load_topics
from contracts.topics_names import FRAUD_ALERT, PAYMENT, TRANSACTION
from ingestion_layer.kafka.topics.create_topics import create_topics
from production_ops.proofs.fraud_reference import Event, accepted_events, expected_alerts
from shared_utils.kafka_helpers import Producer, read_all, reader_config
from shared_utils.local_stack import LocalStack
from shared_utils.records import Received, Record
from shared_utils.settings import REPO_ROOT, Settings, override_settings
from stream_processing.core.fraud_rules import RULES_FILE, load_rules

NAMES = ["kafka", "flink_jobmanager", "flink_taskmanager"]
JOB = "fraud_pattern_detector"
STILL_SECONDS = 5
"""So long without a new alert, and the detector has said what it had to say."""


class FraudCluster:
    """A running stack with its topics; `settings` are more `SHOP_` variables for the job."""

    def __init__(self, stack: LocalStack, **settings: str) -> None:
        self.stack = stack
        stack.set_environment({"SHOP_FLINK__CHECKPOINT_INTERVAL_MS": "1000", **settings})
        self.settings: Settings = override_settings(stack.settings_env())
        create_topics(load_topics().values(), self.settings.kafka)

    def submit(self, *options: str) -> None:
        """The job's own command; fails with its words."""
        python = REPO_ROOT / ".venvs" / "flink" / "bin" / "python"
        command = [str(python), "-m", "stream_processing.flink_python.run", JOB, *options]
        done = subprocess.run(
            command, cwd=REPO_ROOT, env=self.stack.job_env(), capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-6_000:]

    def send(self, records: Sequence[Record]) -> None:
        """Produce in order and wait for the acknowledgements."""
        with Producer(self.settings.kafka, f"test-{uuid.uuid4()}", keep_undelivered=False) as producer:
            for record in records:
                producer.send(record)

    def expected(self) -> list[Event]:
        """What brute force finds in the topics as they lie in Kafka."""
        lateness = self.settings.flink.fraud_lateness_seconds
        payments, purchases = (accepted_events(self.received(topic), lateness) for topic in (PAYMENT, TRANSACTION))
        return expected_alerts(load_rules(self.settings.flink.fraud_rules_file or RULES_FILE), payments, purchases)

    def received(self, topic: str) -> list[Received]:
        """All records of a topic."""
        return list(read_all(topic, self.settings.kafka))

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
