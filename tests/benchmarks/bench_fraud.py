"""The fraud detector on a cluster of its own: what it finds by how long it waits, and how soon it says it.

For each wait: the live weeks are replayed as a backlog, and `fraud_report` judges the alerts. Then payments with the
wall clock's times are sent at a steady rate, cases of card testing among them: the time from the last event's record to
its alert's record. Run: `python -m tests.benchmarks.bench_fraud [--waits 2 10 60 600] [--rate N] [--seconds N]`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
from rich.console import Console

from contracts.topics_names import PAYMENT, TRANSACTION
from data_sources import replay
from ingestion_layer.kafka.replay_live import records
from production_ops.proofs.fraud_report import delay_line, delays_ms
from shared_utils.kafka_helpers import Producer
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from tests.fakes.fraud_cluster import NAMES, STILL_SECONDS, FraudCluster
from tests.fakes.fraud_events import payment

CASE_EVERY = 50
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, nargs="+", default=[2, 10, 60, 600])
    parser.add_argument("--rate", type=int, default=100, help="payments a second of the live part")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--out", type=Path, help="a replay that exists")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.out or Path(folder) / "replay"
        if args.out is None:
            replay.main(["--out", str(data)])
        for wait in args.waits:
            planted(data, wait, Path(folder))
        for wait in args.waits[:2]:
            live(wait, args.rate, args.seconds, Path(folder))
    return 0


def planted(data: Path, wait: int, folder: Path) -> None:
    """The report on the live weeks, with this wait."""
    console.rule(f"the live weeks, wait {wait} s")
    with LocalStack(folder / f"planted-{wait}", NAMES) as stack:
        cluster = FraudCluster(stack, SHOP_FLINK__FRAUD_LATENESS_SECONDS=str(wait))
        sent = [record for record in records(data / "live") if record.topic in (PAYMENT, TRANSACTION)]
        cluster.send(sent)
        expected = len(cluster.expected())
        began = time.monotonic()
        cluster.submit()
        submitted = time.monotonic()
        cluster.wait_alerts(expected, 120)
        drained = time.monotonic() - submitted - STILL_SECONDS
        console.print(f"{len(sent):,} records; job runs after {submitted - began:.0f} s, done {drained:.0f} s later")
        command = [sys.executable, "-m", "production_ops.proofs.fraud_report", "--data", str(data)]
        done = subprocess.run(command, env=stack.job_env(), capture_output=True, text=True, check=False)
        console.print(done.stdout + done.stderr, markup=False)


def live(wait: int, rate: int, seconds: int, folder: Path) -> None:
    """The delay of alerts on payments as they happen."""
    console.rule(f"live, {rate} payments a second, wait {wait} s")
    with LocalStack(folder / f"live-{wait}", NAMES) as stack:
        cluster = FraudCluster(stack, SHOP_FLINK__FRAUD_LATENESS_SECONDS=str(wait))
        cluster.submit()
        cases = _send_live(cluster, rate, seconds + wait + 3)
        alerts = cluster.wait_alerts(1, 30)
        events = cluster.received(PAYMENT)
        console.print(f"{len(events):,} payments, {cases} cases of card testing, {len(alerts)} alerts")
        console.print(delay_line(delays_ms(alerts, events)))


def _send_live(cluster: FraudCluster, rate: int, seconds: int) -> int:
    cases = 0
    began = time.monotonic()
    with Producer(cluster.settings.kafka, "bench-fraud", keep_undelivered=False) as producer:
        for number in range(rate * seconds):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            now_ms = time.time_ns() // 1_000_000
            producer.send(
                _record(
                    payment(
                        now_ms,
                        _id(number, 0),
                        customer_id=number % 997 + 1,
                        card_token=f"c{number}",
                        device_id=f"d{number}",
                    )
                )
            )
            if number % CASE_EVERY == 0:
                cases += 1
                for step in range(5):
                    outcome = "approved" if step == 4 else "declined"
                    producer.send(
                        _record(
                            payment(
                                now_ms + step,
                                _id(number, step + 1),
                                customer_id=number % 997 + 1,
                                outcome=outcome,
                                card_token=f"x{number}",
                                device_id=f"x{number}",
                            )
                        )
                    )
            producer.poll()
    return cases


def _record(event: dict[str, object]) -> Record:
    return Record(PAYMENT, str(event["customer_id"]).encode(), orjson.dumps(event))


def _id(number: int, step: int) -> str:
    return f"00000000-0000-4000-8000-{number * 10 + step:012d}"


if __name__ == "__main__":
    sys.exit(main())
