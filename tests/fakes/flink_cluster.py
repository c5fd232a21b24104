"""The Flink cluster under test: jobs by their command line, as a user starts them, and what they wrote."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import confluent_kafka as kafka

from contracts.registry import load_topics
from contracts.topics_names import CLICK
from contracts.validators.validate_kafka_event import Validator
from ingestion_layer.kafka.topics.create_topics import create_topics
from shared_utils.kafka_helpers import Producer, end_offsets, read_all, reader_config
from shared_utils.local_stack import LocalStack
from shared_utils.records import Received, Record
from shared_utils.settings import REPO_ROOT, Settings, override_settings
from stream_processing.flink_python import product_category
from stream_processing.flink_python.cluster import Cluster, JobStatus
from tests.fakes.flink_world import CATEGORIES

FLINK_PYTHON = REPO_ROOT / ".venvs" / "flink" / "bin" / "python"


class FlinkUnderTest:
    """A stack of Kafka and Flink with the topics and the product categories in place."""

    def __init__(self, stack: LocalStack, **settings: str) -> None:
        self.stack = stack
        stack.set_environment(settings)
        self.settings: Settings = override_settings(stack.settings_env())
        self.cluster = Cluster(self.settings.flink)
        create_topics(load_topics().values(), self.settings.kafka)
        product_category.write(CATEGORIES, product_category.path(self.settings))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m stream_processing.flink_python.run …` in the flink environment."""
        command = [str(FLINK_PYTHON), "-m", "stream_processing.flink_python.run", *arguments]
        return subprocess.run(
            command, cwd=REPO_ROOT, env=self.stack.job_env(), capture_output=True, text=True, timeout=240, check=False
        )

    def start(self, job: str, *options: str) -> JobStatus:
        """Start a job; fails the test with the command's own words."""
        done = self.run(job, *options)
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-6_000:]
        status = self.cluster.running(job)
        assert status is not None
        return status

    def cancel(self, job: str) -> None:
        """End a job and wait until it is gone."""
        assert self.run(job, "--cancel").returncode == 0
        wait_until(lambda: self.cluster.running(job) is None, 60, f"{job} is cancelled")

    def send(self, records: Sequence[Record]) -> None:
        """Produce in order and wait for the acknowledgements."""
        with Producer(self.settings.kafka, f"test-{uuid.uuid4()}", keep_undelivered=False) as producer:
            for record in records:
                producer.send(record)

    def close_visits(self, records: Sequence[Record]) -> None:
        """Send the closing clicks to every partition of the click topic, whatever their keys."""
        producer = kafka.Producer({"bootstrap.servers": self.settings.kafka.bootstrap_servers})
        for number, record in enumerate(records):
            producer.produce(
                record.topic,
                value=record.value,
                key=record.key,
                partition=number % load_topics()[CLICK].partitions,
                timestamp=record.timestamp_ms or 0,
                headers=list(record.headers.items()),
            )
        assert producer.flush(30) == 0

    def received(self, topic: str) -> list[Received]:
        """All records of a topic."""
        return list(read_all(topic, self.settings.kafka))

    def values(self, topic: str, schema_topic: str | None = None) -> list[dict[str, Any]]:
        """All values of a topic; each must be accepted by its contract, and its key be the entity's decimal text."""
        validator, field = Validator(schema_topic or topic), load_topics()[topic].key
        found = []
        for record in self.received(topic):
            assert validator.reason(record.value) is None, (validator.reason(record.value), record.value)
            value = json.loads(record.value or b"")
            assert record.key == str(value[field]).encode()
            found.append(value)
        return found

    def wait_consumed(self, job: JobStatus, topics: Sequence[str], seconds: float) -> None:
        """Until two checkpoints lie behind the moment at which the job had read the topics to their ends."""
        group = f"flink-{job.name}"
        consumer = kafka.Consumer(reader_config(self.settings.kafka, group))
        try:
            for topic in topics:
                ends = end_offsets(topic, self.settings.kafka, consumer)
                asked = [kafka.TopicPartition(topic, number) for number in ends]
                wait_until(
                    lambda asked=asked, ends=ends: all(  # type: ignore[misc]
                        position.offset >= ends[position.partition]
                        for position in consumer.committed(asked, timeout=10)
                    ),
                    seconds,
                    f"{job.name} has read {topic}",
                )
        finally:
            consumer.close()
        count = self.checkpoints(job.name)
        wait_until(lambda: self.checkpoints(job.name) >= count + 2, seconds, f"{job.name} goes on with its checkpoints")

    def refused(self, name: str) -> Counter[str]:
        """Records that the contract refused in the job's present run, by reason."""
        job, counts = self.cluster.running(name), Counter[str]()
        assert job is not None
        for task in self.cluster.get(f"/jobs/{job.job_id}")["vertices"]:
            path = f"/jobs/{job.job_id}/vertices/{task['id']}/subtasks/metrics"
            names = [metric["id"] for metric in self.cluster.get(path) if metric["id"].endswith(".refused_records")]
            values = self.cluster.get(f"{path}?get={quote(','.join(names))}&agg=sum") if names else []
            for metric in values:
                counts[metric["id"].split(".")[-2]] += int(metric["sum"])
        return counts

    def checkpoints(self, name: str) -> int:
        """Checkpoints that the job's present run has completed."""
        job = self.cluster.running(name)
        return 0 if job is None else int(self.cluster.get(f"/jobs/{job.job_id}/checkpoints")["counts"]["completed"])


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until true; fails the test after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"Not within {seconds:.0f} s: {what}."
        time.sleep(0.2)


def newest(values: Sequence[dict[str, Any]], entity: str) -> dict[tuple[int, str], dict[str, Any]]:
    """The record with the greatest version of each (entity, minute); of equal ones the last, as a store keeps it."""
    states: dict[tuple[int, str], dict[str, Any]] = {}
    for value in values:
        key = (value[entity], value["bucket_start"])
        if key not in states or value["version"] >= states[key]["version"]:
            states[key] = value
    return states


def comparable(states: Mapping[tuple[int, str], dict[str, Any]]) -> dict[tuple[int, str], dict[str, Any]]:
    """States without their key and without what depends on which of two topics was read first."""
    dropped = ("customer_id", "product_id", "bucket_start", "last_event_id")
    return {key: {n: v for n, v in state.items() if n not in dropped} for key, state in states.items()}
