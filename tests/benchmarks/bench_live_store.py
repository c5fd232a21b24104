"""The live store measured: records a second, Kafka to Redis under load, reads beside the batch-only read.

    .venvs/platform/bin/python -m tests.benchmarks.bench_live_store [--records 100000]

Starts a broker, a Redis and the stream writer of its own under a temporary folder. Every figure is of this machine in
this run; other work on it makes them worse.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
from redis import Redis
from rich.console import Console
from rich.table import Table

from contracts.topics_names import CUSTOMER_FEATURE, PRODUCT_FEATURE
from feature_store.core.live_windows import ProductCategories
from feature_store.online_store.keys import LIVE_CUSTOMER, record_key
from feature_store.online_store.live_reader import LiveReader
from feature_store.online_store.live_records import update_of
from feature_store.online_store.live_store import LiveStore
from feature_store.online_store.reader import OnlineReader, connect
from feature_store.online_store.writer import write_customer
from shared_utils.kafka_helpers import Producer
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from tests.fakes.live_path import LivePath
from tests.fakes.live_records import customer_event, product_event, received, record, touch
from tests.fakes.serving import customer_columns, pair_columns, stamp

CUSTOMERS, PRODUCTS = 2_500, 5_000
MINUTE = timedelta(minutes=1)


def stream(now: datetime) -> Iterator[Record]:
    """A click's two records, for ever: a customer's minute and a product's."""
    minute, counted = now.replace(second=0, microsecond=0), 0
    while True:
        counted += 1
        customer, product = counted % CUSTOMERS + 1, counted % PRODUCTS + 1
        version = counted // CUSTOMERS + 1
        seen = [touch(product + n, minute) for n in range(min(version, 5))]
        yield record(CUSTOMER_FEATURE, customer_event(customer, minute, version=version, views=version, products=seen))
        yield record(PRODUCT_FEATURE, product_event(product, minute, version=counted // PRODUCTS + 1, views=1))


def percentiles(seconds: Sequence[float], unit: float = 1e3) -> str:
    ordered = sorted(seconds)
    return " / ".join(f"{ordered[min(int(len(ordered) * q), len(ordered) - 1)] * unit:.2f}" for q in (0.5, 0.95, 0.99))


def throughput(path: LivePath, count: int) -> float:
    path.send(list(islice(stream(datetime.now(UTC)), count)))
    began = time.perf_counter()
    path.drain()
    return count / (time.perf_counter() - began)


def delays(path: LivePath, per_second: int, seconds: float) -> list[float]:
    """Acknowledged by Kafka until readable in Redis, of marked records beside a steady load."""
    found: list[float] = []
    store, minute = path.redis, datetime.now(UTC).replace(second=0, microsecond=0)
    field = str(int(minute.timestamp()) // 60)
    with Producer(path.settings.kafka, "bench", keep_undelivered=False) as producer:
        load, began, sent = stream(minute - 2 * MINUTE), time.perf_counter(), 0
        while (now := time.perf_counter() - began) < seconds:
            while sent < now * per_second:
                producer.send(next(load))
                sent += 1
            customer = 1_000_000 + len(found)
            producer.send(record(CUSTOMER_FEATURE, customer_event(customer, minute, views=1)))
            producer.flush()
            acknowledged = time.perf_counter()
            while not store.hexists(record_key(LIVE_CUSTOMER, customer), field):
                pass
            found.append(time.perf_counter() - acknowledged)
            time.sleep(0.02)
    return found


def reads(redis: Redis) -> Iterator[tuple[str, Callable[[], object]]]:
    """The batch-only read, and the read with live minutes for a usual and a heavy customer."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    store, reader = LiveStore(redis), OnlineReader(redis)
    categories = ProductCategories(np.arange(1, 5_001), np.arange(1, 5_001, dtype=np.int32) % 300)
    for customer, minutes in ((1, 0), (2, 10), (3, 100), (4, 400)):
        write_customer(redis, customer, stamp(), customer_columns(3), pair_columns(3, n=2_000, pairs=350))
        for age in range(1, minutes + 1):
            seen = [touch(age * 7 % 5_000 + n, now - age * MINUTE) for n in range(3)]
            event = customer_event(customer, now - age * MINUTE, views=3, products=seen)
            store.put([update_of(received(record(CUSTOMER_FEATURE, event), age))])
    live = LiveReader(redis)
    for product in range(1, 1_001):
        events = [
            product_event(product, now - age * MINUTE, views=product % 9) for age in range(1, 61, product % 7 + 3)
        ]
        store.put([update_of(received(record(PRODUCT_FEATURE, event), 0)) for event in events])
    yield "batch state alone (read)", lambda: reader.read(1)
    for customer, name in ((1, "nothing live"), (2, "10 minutes"), (3, "100 minutes"), (4, "400 minutes")):
        yield f"batch state + {name} (read_now)", lambda c=customer: reader.read_now(c)
        yield "  and its windows computed", lambda c=customer: reader.read_now(c).live_features(now, categories)
    yield "top 20 products, 5 min", lambda: live.top_products(now, window="5m")
    yield "top 20 products, 1 h (1,000 products)", lambda: live.top_products(now)


def timed(call: Callable[[], object], times: int = 1_000) -> list[float]:
    call()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_live_store", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load")
    arguments = parser.parse_args()
    names = ["kafka", "redis", "feature_writer"]
    with tempfile.TemporaryDirectory() as folder:
        stack = LocalStack(Path(folder), names)
        try:
            stack.start("kafka", "redis")
            measure(stack, Path(folder), arguments.records, arguments.seconds, Console(highlight=False))
        finally:
            stack.stop()


def measure(stack: LocalStack, folder: Path, count: int, seconds: float, console: Console) -> None:
    path = LivePath.fresh(stack, folder / "drain")
    rate = throughput(path, count)
    console.print(f"drain of {count:,} records into Redis and the lake: {rate:,.0f} records/s")

    path.redis.flushall()
    table = Table("read", "p50 / p95 / p99 µs")
    for name, call in reads(connect(path.settings.redis.url, 5_000)):
        table.add_row(name, percentiles(timed(call), 1e6))
    console.print(table)
    blobs = cast("list[bytes]", path.redis.hvals(record_key(LIVE_CUSTOMER, 3)))
    console.print(f"a minute with 3 products takes {statistics.mean(map(len, blobs)):.0f} bytes")

    path = LivePath.fresh(stack, folder / "follow")
    stack.start("feature_writer")
    console.print(f"the writer is ready after {stack.startup_seconds('feature_writer'):.1f} s")
    delays(path, 10, 3.0)
    for per_second in (0, 100, 1_000):
        found = delays(path, per_second, seconds)
        console.print(
            f"Kafka acknowledged to readable in Redis beside {per_second:,} records/s: "
            f"p50 / p95 / p99 {percentiles(found)} ms ({len(found)} marked records)"
        )
    console.print(f"the writer's memory: {stack.peak_rss_bytes('feature_writer') / 2**20:.0f} MiB at its peak")


if __name__ == "__main__":
    main()
