"""The fraud detector on the real cluster: equal to brute force through a kill, and judged on the planted cases."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
import yaml

from contracts.topics_names import FRAUD_ALERT, PAYMENT, TRANSACTION
from contracts.validators.validate_kafka_event import Validator
from data_sources import replay
from ingestion_layer.kafka.replay_live import records
from shared_utils.local_stack import LocalStack
from shared_utils.settings import REPO_ROOT
from stream_processing.core.fraud_rules import RULES_FILE, Pattern
from tests.fakes.flink_world import is_next_span
from tests.fakes.fraud_cluster import NAMES, FraudCluster
from tests.fakes.fraud_events import closing, jittered

pytestmark = [pytest.mark.flink, pytest.mark.kafka, pytest.mark.timeout(1_500)]

PAYMENTS = int(os.environ.get("FRAUD_TEST_PAYMENTS", "50000"))
PATIENCE = 600.0
WAIT_SECONDS = 600

Start = Callable[..., FraudCluster]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a cluster with these settings."""
    with LocalStack(tmp_path / "stack", NAMES) as stack:
        yield lambda **settings: FraudCluster(stack, **settings)


def test_f6_alerts_equal_brute_force_through_a_kill_of_the_taskmanager(start: Start) -> None:
    cluster = start()
    cluster.send([*jittered(PAYMENTS, PAYMENTS // 10, seed=7), *closing(0)])
    expected = {alert["alert_id"]: alert for alert in cluster.expected()}
    assert min(Counter(alert["pattern"] for alert in expected.values())[pattern] for pattern in Pattern) > 0
    cluster.submit()
    _wait_for_some_alerts(cluster)
    cluster.stack.kill("flink_taskmanager")
    before = len(cluster.received(FRAUD_ALERT))
    cluster.stack.restart("flink_taskmanager")
    cluster.send(closing(1))

    received = cluster.wait_alerts(len(expected), PATIENCE)

    validator = Validator(FRAUD_ALERT)
    assert [refusal for record in received if (refusal := validator.reason(record.value))] == []
    alerts = [orjson.loads(record.value or b"") for record in received]
    assert before < len(expected), "the kill came after the end"
    assert {alert["alert_id"]: alert for alert in alerts} == expected
    assert all(record.key == str(alert["customer_id"]).encode() for record, alert in zip(received, alerts, strict=True))
    sources = {
        orjson.loads(record.value or b"")["event_id"]: record.headers["traceparent"]
        for topic in (PAYMENT, TRANSACTION)
        for record in cluster.received(topic)
    }
    for record, alert in zip(received, alerts, strict=True):
        assert is_next_span(record.headers["traceparent"], sources[alert["event_ids"][-1]])


@pytest.mark.parametrize("declines", [4, 6], ids=["good", "broken"])
def test_planted_cases_are_found_or_excused_and_a_broken_rule_is_seen(
    start: Start, tmp_path: Path, declines: int
) -> None:
    rules = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
    rules["card_testing"]["declines"] = declines
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    replay.main(["--out", str(tmp_path)])
    cluster = start(
        SHOP_FLINK__FRAUD_LATENESS_SECONDS=str(WAIT_SECONDS), SHOP_FLINK__FRAUD_RULES_FILE=str(tmp_path / "rules.yml")
    )
    cluster.send([record for record in records(tmp_path / "live") if record.topic in (PAYMENT, TRANSACTION)])
    cluster.submit()
    cluster.wait_alerts(len(cluster.expected()), PATIENCE)

    report = _report(cluster, tmp_path)

    if declines == 4:
        assert report.returncode == 0, report.stdout + report.stderr
        assert "fraud patterns: PASS" in report.stdout
    else:
        assert report.returncode == 8, report.stdout + report.stderr
        assert "card_testing (4 declines, then an approval) was missed" in report.stderr


def _wait_for_some_alerts(cluster: FraudCluster) -> None:
    deadline = time.monotonic() + PATIENCE
    while not any(True for _ in cluster.received(FRAUD_ALERT)):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _report(cluster: FraudCluster, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "production_ops.proofs.fraud_report", "--data", str(data)]
    return subprocess.run(
        command, cwd=REPO_ROOT, env=cluster.stack.job_env(), capture_output=True, text=True, check=False
    )
