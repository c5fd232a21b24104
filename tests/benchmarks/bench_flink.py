"""The Flink jobs: events a second on a core from a backlog, and event -> feature record latency at a steady rate.

Run: `python -m tests.benchmarks.bench_flink [--clicks N] [--rate 100] [--seconds 60] [--state-backend hashmap]`.
Starts its own stack. Throughput is events by CPU second of the TaskManager, from a cold JVM (the first job pays);
latency is from the acknowledgement of the event by Kafka to the moment a consumer has the feature record.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import confluent_kafka as kafka
import psutil

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, TRANSACTION
from shared_utils.kafka_helpers import reader_config
from shared_utils.local_stack import LocalStack
from tests.fakes.flink_cluster import FlinkUnderTest
from tests.fakes.flink_world import click, closing, make, record

TASKMANAGER = "flink_taskmanager"
READS = {"realtime_features": [CLICK, TRANSACTION], "session_aggregator": [CLICK]}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--state-backend", choices=["rocksdb", "hashmap"], default="rocksdb")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        names = ["kafka", "flink_jobmanager", TASKMANAGER]
        with LocalStack(Path(folder), names) as stack:
            flink = FlinkUnderTest(stack, SHOP_FLINK__STATE_BACKEND=arguments.state_backend)
            print({name: f"{stack.startup_seconds(name):.1f} s" for name in names})
            throughput(flink, arguments.clicks)
            latency(flink, arguments.rate, arguments.seconds)
            print({name: f"peak {stack.peak_rss_bytes(name) / 2**20:.0f} MiB" for name in names})
    return 0


def throughput(flink: FlinkUnderTest, clicks: int) -> None:
    """Each job alone over the same backlog; cold JVM, RocksDB state, checkpoints on."""
    world = make(clicks)
    flink.send(world.records)
    flink.close_visits(closing(world))
    for name, topics in READS.items():
        records = sum(r.topic in topics for r in world.records)
        cpu, began = cpu_seconds(flink), time.monotonic()
        job = flink.start(name)
        submitted = time.monotonic() - began
        flink.wait_consumed(job, topics, 900)
        wall, used = time.monotonic() - began - submitted, cpu_seconds(flink) - cpu
        print(
            f"{name}: {records:,} records, {used:.1f} CPU s of the TaskManager = {records / used:,.0f} a CPU second; "
            f"submitted in {submitted:.1f} s, read in less than {wall:.1f} s"
        )
        flink.cancel(name)


def latency(flink: FlinkUnderTest, rate: int, seconds: int) -> None:
    """A steady rate of views, from Kafka's acknowledgement to the feature record in a consumer."""
    flink.start("realtime_features", "--from-checkpoint")
    consumer = kafka.Consumer(
        {**reader_config(flink.settings.kafka, "bench"), "auto.offset.reset": "latest", "fetch.wait.max.ms": 5}
    )
    assigned = threading.Event()
    consumer.subscribe([CUSTOMER_FEATURE], on_assign=lambda *_: assigned.set())
    acked: dict[str, float] = {}
    seen: dict[str, float] = {}
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            message = consumer.poll(0.01)
            if message is not None and message.error() is None:
                seen.setdefault(json.loads(message.value() or b"")["last_event_id"], time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    assigned.wait(30)
    producer = kafka.Producer(
        {"bootstrap.servers": flink.settings.kafka.bootstrap_servers, "linger.ms": 0, "acks": "all"}
    )
    rng, began = random.Random(3), time.monotonic()
    for number in range(rate * seconds):
        while time.monotonic() < began + number / rate:
            producer.poll(0.001)
        now_ms = int(time.time() * 1000)
        event = click(rng, rng.randint(1, 2_000), now_ms, "view")
        item = record(CLICK, event, now_ms)
        producer.produce(
            CLICK,
            value=item.value,
            key=item.key,
            headers=list(item.headers.items()),
            on_delivery=lambda *_, name=event["event_id"]: acked.__setitem__(name, time.monotonic()),
        )
        producer.poll(0)
    producer.flush(10)
    deadline = time.monotonic() + 30
    while len(seen.keys() & acked.keys()) < len(acked) and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    reader.join()
    consumer.close()
    warm = [name for name in acked if name in seen][rate * 10 :]
    delays = sorted((seen[name] - acked[name]) * 1000 for name in warm)
    cuts = statistics.quantiles(delays, n=100)
    print(
        f"latency at {rate} events/s, {len(delays)} events after 10 s, {len(acked) - len(seen)} missing: "
        f"p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms, max {delays[-1]:.1f} ms"
    )


def cpu_seconds(flink: FlinkUnderTest) -> float:
    """CPU seconds that the TaskManager has used so far."""
    times = psutil.Process(flink.stack.pid(TASKMANAGER)).cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    raise SystemExit(main())
