"""How fresh features are: a click acknowledged by Kafka until the feature read shows it (`measures.md`, fresh-1).

    make bench-freshness        # or: python -m tests.benchmarks.bench_freshness [--rates 100 1000] [--seconds 20]

Starts Kafka, Redis, a Flink cluster with `realtime_features`, and the stream writer under a temporary folder. Marked
clicks of customers of their own go beside a steady load of other clicks; each is followed through two hops: until its
feature record can be consumed (Kafka and Flink) and until the online store's reader gives it (writer and Redis).
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka as kafka
import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from contracts.registry import load_topics
from contracts.topics_names import CLICK, CUSTOMER_FEATURE
from feature_store.core.live_windows import ProductCategories
from feature_store.online_store.live_reader import LiveReader
from feature_store.online_store.reader import connect
from ingestion_layer.kafka.topics.create_topics import create_topics
from shared_utils.kafka_helpers import Producer, reader_config
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from shared_utils.settings import REPO_ROOT, Settings, override_settings
from shared_utils.time_utils import to_rfc3339

SERVERS = ("kafka", "redis", "flink_jobmanager", "flink_taskmanager", "feature_writer")
FIRST_MARKED = 1_000_000
LOAD_CUSTOMERS = 2_500
BOUND_MS = 100.0
PATIENCE_SECONDS = 30.0
NO_CATEGORIES = ProductCategories(np.arange(0), np.arange(0, dtype=np.int32))


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from the acknowledgement, one a marked click."""

    consumable: list[float]
    readable: list[float]


def view(customer_id: int) -> Record:
    """A customer looks at a product now."""
    now = to_rfc3339(datetime.now(UTC))
    event = {
        "event_id": str(uuid.uuid4()), "event_time": now, "session_id": f"s-{customer_id}", "customer_id": customer_id,
        "action": "view", "product_id": customer_id % 5_000 + 1, "position": None, "query": None, "basket_id": None,
        "page": "product", "device_type": "mobile",
    }  # fmt: skip
    trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01".encode()
    return Record(CLICK, str(customer_id).encode(), orjson.dumps(event), None, {"traceparent": trace})


class Watcher:
    """Notes when the feature record of each marked customer can be consumed."""

    def __init__(self, settings: Settings) -> None:
        self.seen: dict[int, float] = {}
        self._consumer = kafka.Consumer(
            {**reader_config(settings.kafka, f"bench-{uuid.uuid4()}"), "fetch.wait.max.ms": 5}
        )
        partitions = range(load_topics()[CUSTOMER_FEATURE].partitions)
        self._consumer.assign([kafka.TopicPartition(CUSTOMER_FEATURE, n, kafka.OFFSET_BEGINNING) for n in partitions])
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stopped.set()
        self._thread.join()
        self._consumer.close()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            record = self._consumer.poll(0.1)
            if record is not None and record.error() is None and int(record.key()) >= FIRST_MARKED:
                self.seen.setdefault(int(record.key()), time.perf_counter())


def follow(settings: Settings, watcher: Watcher, customers: Iterator[int], per_second: int, seconds: float) -> Delays:
    """Send the load and the marked clicks, one marked click after the other."""
    reader, found = LiveReader(connect(settings.redis.url, 2_000)), Delays([], [])
    with Producer(settings.kafka, "bench-load", keep_undelivered=False) as producer:
        began, sent = time.perf_counter(), 0

        def keep_up() -> None:
            nonlocal sent
            while sent < (time.perf_counter() - began) * per_second:
                producer.send(view(sent % LOAD_CUSTOMERS + 1))
                sent += 1

        while time.perf_counter() - began < seconds:
            keep_up()
            customer = next(customers)
            producer.send(view(customer))
            producer.flush()
            acknowledged = time.perf_counter()
            while reader.customer(customer, datetime.now(UTC), NO_CATEGORIES) is None:
                keep_up()
                if time.perf_counter() - acknowledged > PATIENCE_SECONDS:
                    raise TimeoutError(
                        f"The click of customer {customer} was not readable in {PATIENCE_SECONDS:.0f} s."
                    )
            found.readable.append(time.perf_counter() - acknowledged)
            while customer not in watcher.seen:
                time.sleep(0.001)
            found.consumable.append(watcher.seen[customer] - acknowledged)
    return found


def percentiles(seconds: Sequence[float]) -> str:
    """p50 / p95 / p99 in milliseconds."""
    return " / ".join(f"{value * 1e3:.0f}" for value in np.quantile(seconds, [0.5, 0.95, 0.99]))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every rate; exit 1 when a median to the feature read is above the goal."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_freshness", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000], help="clicks a second beside")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each rate")
    arguments = parser.parse_args(argv)
    console, medians = Console(highlight=False), []
    table = Table(
        "clicks/s", "marked", "to the feature record, ms", "to the feature read, ms", caption="p50 / p95 / p99"
    )
    with tempfile.TemporaryDirectory(prefix="bench_freshness_") as folder:
        stack = LocalStack(Path(folder), SERVERS)
        try:
            stack.start(*SERVERS[:-1])
            settings = override_settings(stack.settings_env())
            create_topics(load_topics().values(), settings.kafka)
            stack.start("feature_writer")
            job = [str(REPO_ROOT / ".venvs/flink/bin/python"), "-m", "stream_processing.flink_python.run"]
            subprocess.run([*job, "realtime_features"], cwd=REPO_ROOT, env=stack.job_env(), check=True)
            watcher, customers = Watcher(settings), iter(range(FIRST_MARKED, 2 * FIRST_MARKED))
            try:
                follow(settings, watcher, customers, 50, 10.0)  # warm
                for rate in arguments.rates:
                    found = follow(settings, watcher, customers, rate, arguments.seconds)
                    medians.append(float(np.median(found.readable)) * 1e3)
                    table.add_row(
                        f"{rate:,}",
                        str(len(found.readable)),
                        percentiles(found.consumable),
                        percentiles(found.readable),
                    )
            finally:
                watcher.close()
        finally:
            stack.stop()
    console.print(table)
    console.print(f"worst median to the feature read: {max(medians):.0f} ms (goal {BOUND_MS:.0f} ms)")
    return 1 if max(medians) > BOUND_MS else 0


if __name__ == "__main__":
    raise SystemExit(main())
