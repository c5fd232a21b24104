"""The ledger by its command, over a real replay: Kafka, Spark into the lake, Flink and the writer into features."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, SHOP_TOPICS, TRANSACTION
from data_lake import catalog
from data_sources.spool import FATES_FILE
from feature_store.online_store.stream_writer import FeatureWriter
from feature_store.online_store.writer_metrics import WriterMetrics
from shared_utils.environments import spark_python
from shared_utils.kafka_helpers import Producer, read_all
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from shared_utils.settings import REPO_ROOT
from tests.fakes.flink_cluster import FlinkUnderTest

pytestmark = [pytest.mark.flink, pytest.mark.kafka, pytest.mark.spark, pytest.mark.timeout(1_500)]

HOUSEHOLDS = "25"
PATIENCE = 300.0


@dataclass(frozen=True)
class Replay:
    """A finished run."""

    flink: FlinkUnderTest
    folder: Path

    def run(self, python: str | Path, module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), "-m", module, *map(str, arguments)],
            cwd=REPO_ROOT,
            env=self.flink.stack.job_env(),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def ledger(self, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
        done = self.run(sys.executable, "production_ops.ledger", "--run-dir", self.folder, *arguments)
        assert done.stderr == ""
        report: dict[str, Any] = json.loads((self.folder / "ledger" / "ledger.json").read_text())
        return done, report


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:

    folder = tmp_path_factory.mktemp("ledger")
    names = ["kafka", "redis", "flink_jobmanager", "flink_taskmanager"]
    with LocalStack(folder, names) as stack:
        flink = FlinkUnderTest(
            stack,
            SHOP_RUN_DIR=str(folder),
            SHOP_LAKE__ROOT=str(folder / "lake"),
            SHOP_FLINK__CHECKPOINT_INTERVAL_MS="1000",
            SHOP_LAKE__MAX_REJECT_RATIO="1",  # so few households have every kind of malformed event
        )
        run = Replay(flink, folder)
        done = run.run(sys.executable, "data_sources.replay", "--out", folder, "--limit-customers", HOUSEHOLDS)
        assert done.returncode == 0, done.stderr[-3_000:]
        done = run.run(sys.executable, "ingestion_layer.kafka.replay_live", "--live", folder / "live")
        assert done.returncode == 0, done.stderr[-3_000:]
        jobs = [flink.start("realtime_features"), flink.start("session_aggregator")]
        done = run.run(
            spark_python(), "stream_processing.spark_streaming.run", "--once", "--topics", ",".join(SHOP_TOPICS)
        )
        assert done.returncode == 0, done.stderr[-3_000:]
        for job in jobs:
            flink.wait_consumed(job, [CLICK, TRANSACTION] if job.name == "realtime_features" else [CLICK], PATIENCE)
        FeatureWriter(flink.settings, WriterMetrics(), threading.Event(), patience_seconds=30).run(once=True)
        yield run


def test_a_real_replay_balances_in_every_stage(replay: Replay) -> None:
    done, report = replay.ledger("--stages", "all")
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert "Ledger balanced: 0 lost, 0 duplicated, 0 misrouted, 0 reordered" in done.stdout
    stages = {stage["stage"]: stage for stage in report["stages"]}
    assert all(stage["judged"] for stage in stages.values())
    assert stages["silver"]["accounted"] == report["sent"] == pq.read_metadata(replay.folder / FATES_FILE).num_rows
    metrics = (replay.folder / "ledger" / "ledger.prom").read_text()
    assert "ledger_balanced 1.0" in metrics
    assert 'ledger_difference_events{kind="lost",stage="features"} 0.0' in metrics


def test_a_click_lost_from_silver_and_one_counted_twice_are_named(replay: Replay) -> None:
    newest = list(read_all(CUSTOMER_FEATURE, replay.flink.settings.kafka))[-1]
    state = json.loads(newest.value or b"")
    state.update(version=state["version"] + 1, views=state["views"] + 1)
    with Producer(replay.flink.settings.kafka, "planted", keep_undelivered=False) as producer:
        producer.send(Record(CUSTOMER_FEATURE, newest.key, json.dumps(state).encode(), newest.timestamp_ms))
    click = DeltaTable(catalog.SILVER_CLICK.path(replay.folder / "lake"))
    lost = click.to_pyarrow_table(columns=["event_id"])["event_id"][0].as_py()
    click.delete(f"event_id = '{lost}'")

    done, report = replay.ledger()
    assert done.returncode == 1
    assert f"lost in silver: {lost}" in done.stdout
    minute = f"customer {state['customer_id']} at {state['bucket_start']}"
    assert f"duplicated in features: {minute}" in done.stdout
    assert (report["balanced"], report["duplicated"]) == (False, 1)
    assert "ledger_balanced 0.0" in (replay.folder / "ledger" / "ledger.prom").read_text()
