"""A broker, a Redis, a lake and the stream writer, in this process or as one that can be killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka as kafka
from confluent_kafka.admin import AdminClient
from deltalake import DeltaTable
from redis import Redis

from contracts.registry import load_topics
from contracts.topics_names import FEATURE_TOPICS
from data_lake import tables
from data_lake.catalog import BRONZE_OF_FEATURE_TOPIC
from feature_store.online_store.live_records import Judge, LiveUpdate
from feature_store.online_store.live_store import LiveStore, newest_of
from feature_store.online_store.stream_writer import FeatureWriter
from feature_store.online_store.writer_metrics import WriterMetrics
from ingestion_layer.kafka.topics.create_topics import create_topics
from shared_utils.kafka_helpers import Producer, read_all
from shared_utils.local_stack import LocalStack
from shared_utils.records import Received, Record
from shared_utils.settings import REPO_ROOT, FeatureWriterSettings, KafkaSettings, LakeSettings, RedisSettings, Settings
from tests.fakes.serving_process import wait_until

_TOPICS = [topic for topic in load_topics().values() if topic.name.startswith("features.")]
Coordinates = list[tuple[str, int, int]]


@dataclass
class LivePath:
    """One test's world: empty topics, an empty Redis, a lake of its own."""

    stack: LocalStack
    settings: Settings
    redis: Redis

    @classmethod
    def fresh(cls, stack: LocalStack, folder: Path) -> LivePath:
        env = stack.settings_env()
        settings = Settings(
            run_dir=folder,
            kafka=KafkaSettings(bootstrap_servers=env["SHOP_KAFKA__BOOTSTRAP_SERVERS"], spool_dir=folder / "spool"),
            redis=RedisSettings(url=env["SHOP_REDIS__URL"]),
            lake=LakeSettings(root=folder / "lake"),
            feature_writer=FeatureWriterSettings(redis_timeout_ms=300, archive_seconds=0.2),
        )
        path = cls(stack, settings, Redis.from_url(settings.redis.url))
        path.redis.flushall()
        path.empty_topics()
        return path

    def empty_topics(self) -> None:
        """Delete the feature topics and make them anew."""
        admin = AdminClient({"bootstrap.servers": self.settings.kafka.bootstrap_servers, "log_level": 0})
        names = {topic.name for topic in _TOPICS}
        there = names & set(admin.list_topics(timeout=10).topics)
        for future in admin.delete_topics(sorted(there)).values() if there else ():
            future.result(10)
        wait_until(lambda: not names & set(admin.list_topics(timeout=10).topics), "the end of the old topics", 30)
        create_topics(_TOPICS, self.settings.kafka)

    def with_writer(self, **changes: object) -> LivePath:
        """The same world with other settings of the writer."""
        writer = self.settings.feature_writer.model_copy(update=changes)
        settings = self.settings.model_copy(update={"feature_writer": writer})
        return LivePath(self.stack, settings, self.redis)

    def send(self, records: Sequence[Record]) -> None:
        with Producer(self.settings.kafka, "test", keep_undelivered=False) as producer:
            for record in records:
                producer.send(record)

    def drain(self) -> WriterMetrics:
        """Run the writer until it has written all that is in Kafka."""
        metrics = WriterMetrics()
        FeatureWriter(self.settings, metrics, threading.Event(), patience_seconds=30).run(once=True)
        return metrics

    @contextmanager
    def running(self) -> Iterator[WriterMetrics]:
        """The writer at work in a thread while the block runs."""
        metrics, stopped = WriterMetrics(), threading.Event()
        writer = FeatureWriter(self.settings, metrics, stopped)
        faults: list[BaseException] = []

        def run() -> None:
            try:
                writer.run()
            except BaseException as exc:
                faults.append(exc)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield metrics
        finally:
            stopped.set()
            thread.join(60)
        assert not thread.is_alive()
        assert faults == []

    def spawn(self, *arguments: str, module: str = "stream_writer") -> subprocess.Popen[str]:
        """A command of the online store as a process."""
        writer = self.settings.feature_writer
        env = {
            **self.stack.job_env(),
            "SHOP_RUN_DIR": str(self.settings.run_dir),
            "SHOP_LAKE__ROOT": str(self.settings.lake.root),
            "SHOP_FEATURE_WRITER__PORT": str(writer.port),
            "SHOP_FEATURE_WRITER__REDIS_TIMEOUT_MS": str(writer.redis_timeout_ms),
            "SHOP_FEATURE_WRITER__ARCHIVE_SECONDS": str(writer.archive_seconds),
            "SHOP_FEATURE_WRITER__ARCHIVE_ROWS": str(writer.archive_rows),
        }
        argv = [sys.executable, "-m", f"feature_store.online_store.{module}", *arguments]
        return subprocess.Popen(
            argv, env=env, cwd=REPO_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def in_kafka(self) -> list[Received]:
        return [record for topic in FEATURE_TOPICS for record in read_all(topic, self.settings.kafka)]

    def in_lake(self) -> Coordinates:
        """Coordinates of every archived row, as often as it stands there."""
        found = []
        root = self.settings.lake.root
        for table in (table for table in BRONZE_OF_FEATURE_TOPIC.values() if tables.exists(table, root)):
            rows = DeltaTable(table.path(root)).to_pyarrow_table(columns=["topic", "partition", "offset"])
            found += [(row["topic"], row["partition"], row["offset"]) for row in rows.to_pylist()]
        return sorted(found)

    def wanted(self) -> list[LiveUpdate]:
        """What must stand in Redis by what is in Kafka."""
        return newest_of(Judge().part(self.in_kafka()).updates)

    def missing(self) -> int:
        """How many places of Redis lack what Kafka holds."""
        wanted = self.wanted()
        return len(wanted) - LiveStore(self.redis).held(wanted)

    def check_exact(self) -> None:
        """Redis holds the newest of each place, and the lake each accepted record once."""
        accepted = Judge().part(self.in_kafka()).accepted
        assert self.in_lake() == sorted((r.topic, r.partition, r.offset) for r in accepted)
        assert self.missing() == 0


def committed(settings: Settings, group: str) -> dict[tuple[str, int], int]:
    """A group's offsets in Kafka."""
    consumer = kafka.Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": group})
    places = [kafka.TopicPartition(topic.name, n) for topic in _TOPICS if topic.schema for n in range(topic.partitions)]
    try:
        return {(p.topic, p.partition): p.offset for p in consumer.committed(places, timeout=10)}
    finally:
        consumer.close()


def pause(seconds: float) -> None:
    """Let a fault last for a while: here time itself is the input."""
    time.sleep(seconds)
