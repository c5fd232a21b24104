"""A small replay beside one broker: sent whole or in parts, drained by Spark in a process, judged by the ledger."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka as kafka

from contracts.registry import load_topics
from contracts.topics_names import SHOP_TOPICS
from data_lake.storage import LakeRoot
from data_sources import replay
from data_sources.spool import FATES_FILE, SPOOL_FILE
from ingestion_layer.kafka.replay_live import records
from ingestion_layer.kafka.topics.create_topics import create_topics
from production_ops.ledger.balance import balance
from production_ops.ledger.model import Balance, Rules, Seen, Stage, Word
from production_ops.ledger.reading import read_evidence, read_topics
from shared_utils.environments import spark_python
from shared_utils.kafka_helpers import Producer, end_offsets, reader_config
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from shared_utils.settings import REPO_ROOT, KafkaSettings
from tests.fakes.fault_plan import SEED

HOUSEHOLDS = 25
LAKE_STAGES = (Stage.KAFKA, Stage.BRONZE, Stage.SILVER, Stage.DEAD_LETTERS)
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class ReplayedShop:
    """A run folder with a spool and its truth, and a broker with the contracts' topics."""

    stack: LocalStack
    folder: Path
    env: Mapping[str, str]

    @classmethod
    def make(cls, stack: LocalStack, folder: Path, **settings: str) -> ReplayedShop:
        """A fresh spool; few households have every kind of malformed event, so no batch is refused for them."""
        folder.mkdir(parents=True, exist_ok=True)
        replay.main(["--out", str(folder), "--seed", str(SEED), "--limit-customers", str(HOUSEHOLDS)])
        own = {
            "SHOP_RUN_DIR": str(folder),
            "SHOP_LAKE__ROOT": str(folder / "lake"),
            "SHOP_KAFKA__SPOOL_DIR": str(folder / "spool"),
            "SHOP_LAKE__MAX_REJECT_RATIO": "1",
            "SHOP_LOG_LEVEL": "WARNING",
        }
        shop = cls(stack, folder, {**stack.job_env(), **own, **settings})
        create_topics(load_topics().values(), shop.kafka)
        return shop

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap_servers=self.stack.address("kafka"), spool_dir=self.folder / "spool")

    @property
    def live(self) -> Path:
        return (self.folder / SPOOL_FILE).parent

    def sent(self) -> list[Record]:
        """The records of the spool, in the order of sending."""
        return list(records(self.live))

    def send(self, part: Sequence[Record]) -> None:
        with Producer(self.kafka, "parts", keep_undelivered=False) as producer:
            for record in part:
                producer.send(record)

    def start_sender(self, *options: str) -> subprocess.Popen[bytes]:
        """`replay_live` as a process in a group of its own."""
        argv = [sys.executable, "-m", "ingestion_layer.kafka.replay_live", "--live", str(self.live), *options]
        return subprocess.Popen(argv, cwd=REPO_ROOT, env=self.env, stdout=subprocess.DEVNULL, start_new_session=True)

    def finish_sending(self) -> None:
        assert self.start_sender().wait(120) == 0

    def seen(self) -> dict[str, list[Seen]]:
        """The shop's topics as the ledger reads them."""
        return read_topics(self.kafka.bootstrap_servers, SHOP_TOPICS)

    def in_kafka(self) -> int:
        """Records in the shop's topics, by their ends."""
        client = kafka.Consumer(reader_config(self.kafka, "ends"))
        try:
            return sum(sum(end_offsets(topic, self.kafka, client).values()) for topic in SHOP_TOPICS)
        finally:
            client.close()

    def spark(self, module: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A module in the spark environment, in a process group of its own."""
        return subprocess.run(
            [str(spark_python()), "-m", module, *arguments],
            env={**self.env, **settings},
            cwd=REPO_ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            start_new_session=True,
            check=False,
        )

    def drain(self, **settings: str) -> subprocess.CompletedProcess[str]:
        topics = ",".join(SHOP_TOPICS)
        return self.spark("stream_processing.spark_streaming.run", "--once", "--topics", topics, **settings)

    def ledger(self, *stages: Stage, lake: LakeRoot | None = None, copies_allowed: bool = False) -> Balance:
        evidence = read_evidence(self.kafka.bootstrap_servers, lake or self.folder / "lake", self.folder / FATES_FILE)
        return balance(evidence, Rules(demanded=frozenset(stages), copies_allowed=copies_allowed))

    def forget_lake(self) -> None:
        """The lake and its checkpoints go; Kafka stays."""
        for name in ("lake", "checkpoints"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def told(result: Balance) -> str:
    """The figures of a balance, for a table."""
    words = ", ".join(f"{result.count(word)} {word}" for word in Word)
    return f"{result.sent} sent: {words}"


def first_differences(result: Balance) -> list[object]:
    return [(stage.stage, stage.differences[:3], stage.unjudged) for stage in result.stages if stage.differences]
