"""How fresh features are: a click acknowledged by Kafka until the feature read shows it (`measures.md`, fresh-1).

    make bench-freshness        # or: python -m tests.benchmarks.bench_freshness [--rates 100 1000] [--seconds 20]

Starts Kafka, Redis, a Flink cluster, the stream writer and the API over a small shop, in a temporary folder. Flink's
`realtime_features` runs first, then Spark's `create_realtime_features` in its place: with a batch a second, and as fast
as it can. Marked clicks of customers of their own go at random moments into a steady load of other clicks. Each is
followed through `hops`: until its feature record can be consumed (Kafka, engine), until the online store's reader gives
it (writer, Redis), and until the API's answer names it.
`--out DIR` writes freshness.json and freshness.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import confluent_kafka as kafka
import httpx
import numpy as np
import orjson
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from contracts.registry import load_topics
from contracts.topics_names import CLICK, CUSTOMER_FEATURE
from feature_store.core.live_windows import ProductCategories
from feature_store.online_store.live_reader import LiveReader
from feature_store.online_store.reader import connect
from feature_store.online_store.writer import write_customer, write_product_table
from ingestion_layer.kafka.topics.create_topics import create_topics
from ml_modeling.core.live import LIVE_FEATURE_NAMES
from ml_modeling.evaluation.plots import ACCENT, INK, PEER, svg_of
from model_serving.tokens import Scope, mint
from shared_utils.environments import spark_python
from shared_utils.kafka_helpers import Producer, reader_config
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from shared_utils.settings import REPO_ROOT, Settings, override_settings
from shared_utils.time_utils import to_rfc3339
from tests.fakes.onnx_model import onnx_bundle
from tests.fakes.registry_file import RegistryFile
from tests.fakes.serving import (
    PRODUCTS,
    customer_columns,
    pair_columns,
    product_blob,
    product_ids,
    stamp,
)

SERVERS: Final = ("kafka", "redis", "flink_jobmanager", "flink_taskmanager")
# They need the topics, and the store and the model of the small shop.
LATER_SERVERS: Final = ("feature_writer", "serving")
FLINK: Final = "flink"
# Engine to the seconds between its batches; Flink has none.
MICRO_BATCH: Final = {"spark_1s": 1.0, "spark_as_fast_as_possible": 0.0}
FEATURE_RECORD, FEATURE_READ, ANSWER = "feature record", "feature read", "answer"
FIRST_MARKED: Final = 1_000_000
MARKED: Final = 3_000
LIVE_WEIGHTS: Final = (1.0, 3.0, 0.1, 0.1, 0.5, 0.2, 0.4, 2.0)
MARKED_PER_SECOND: Final = 10
LOAD_CUSTOMERS: Final = 2_500
WARM_RATE, WARM_SECONDS = 50, 20.0
BOUND_MS: Final = 100.0
TIMES_FRESHER: Final = 10.0
PATIENCE_SECONDS: Final = 120.0
NO_CATEGORIES: Final = ProductCategories(np.arange(0), np.arange(0, dtype=np.int32))

# The moment (`time.perf_counter`) at which a hop showed the click of a marked customer; None while it does not.
Shown = Callable[[int], float | None]
# Seconds from the acknowledgement to each hop, one a marked click.
Delays = Mapping[str, list[float]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine at one rate."""

    engine: str
    rate: int
    delays: Delays

    def quantiles_ms(self, hop: str) -> list[float]:
        """p50, p95 and p99 in milliseconds."""
        return [round(float(value) * 1e3, 1) for value in np.quantile(self.delays[hop], [0.5, 0.95, 0.99])]


def view(customer_id: int) -> Record:
    """A customer looks at a product now."""
    now = to_rfc3339(datetime.now(UTC))
    event = {
        "event_id": str(uuid.uuid4()), "event_time": now, "session_id": f"s-{customer_id}", "customer_id": customer_id,
        "action": "view", "product_id": int(product_ids()[customer_id % PRODUCTS]),
        "position": None, "query": None, "basket_id": None,
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


def polled(shows: Callable[[int], bool]) -> Shown:
    """A hop that only says whether it shows the click now."""
    return lambda customer: time.perf_counter() if shows(customer) else None


def hops(settings: Settings, watcher: Watcher, api: httpx.Client) -> dict[str, Shown]:
    """What each click is followed through, in the order in which it comes there."""
    reader = LiveReader(connect(settings.redis.url, 2_000))

    def answer_shows(customer: int) -> bool:
        body = api.get(f"/v1/recommendations/{customer}").raise_for_status().json()
        return body["live_event_id"] is not None  # a marked customer has one click

    return {
        FEATURE_RECORD: watcher.seen.get,
        FEATURE_READ: polled(lambda who: reader.customer(who, datetime.now(UTC), NO_CATEGORIES) is not None),
        ANSWER: polled(answer_shows),
    }


def open_shop(stack: LocalStack, settings: Settings) -> None:
    """Marked customers and products in the store, and a model with a second stage in the registry."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    store = connect(settings.redis.url, 2_000)
    write_product_table(store, product_blob(as_of=today))
    for customer in range(FIRST_MARKED, FIRST_MARKED + MARKED):
        columns = customer_columns(customer, today), pair_columns(customer, today)
        write_customer(store, customer, stamp(today), *columns)
    folder = stack.run_dir / "mlflow"  # where the stack's settings look for the registry
    folder.mkdir(parents=True)
    bundle = onnx_bundle()
    live = {"live_feature_names": LIVE_FEATURE_NAMES, "live_weights": LIVE_WEIGHTS}
    registry = RegistryFile(folder)
    registry.point(registry.register(replace(bundle, manifest=bundle.manifest.model_copy(update=live))))


class Sender(threading.Thread):
    """Sends the load and the marked clicks, and notes when each marked one was acknowledged."""

    def __init__(self, settings: Settings, customers: Iterator[int], per_second: int, seconds: float) -> None:
        super().__init__()
        self.acknowledged: dict[int, float] = {}
        self._settings, self._customers = settings, customers
        self._per_second, self._seconds = per_second, seconds
        self._rng = random.Random(11)

    def run(self) -> None:
        """Until the seconds are over."""
        with Producer(self._settings.kafka, "bench-load", keep_undelivered=False) as producer:
            began, sent = time.perf_counter(), 0
            marked_at = began
            while (now := time.perf_counter()) - began < self._seconds:
                while sent < (now - began) * self._per_second:
                    producer.send(view(sent % LOAD_CUSTOMERS + 1))
                    sent += 1
                if now >= marked_at:
                    # Independent of the engine's clock: clicks in step with its batches would all wait equally long.
                    marked_at = now + self._rng.expovariate(MARKED_PER_SECOND)
                    customer = next(self._customers)
                    producer.send(view(customer))
                    producer.flush()
                    self.acknowledged[customer] = time.perf_counter()
                producer.poll()
                time.sleep(0.001)


def follow(
    settings: Settings, followed: Mapping[str, Shown], customers: Iterator[int], rate: int, seconds: float
) -> Delays:
    """Send and poll every hop for every click on its way.

    Raises:
        TimeoutError: a click did not come through in time.
    """
    found: dict[str, list[float]] = {hop: [] for hop in followed}
    missing: dict[int, set[str]] = {}
    sender, begun = Sender(settings, customers, rate, seconds), 0
    sender.start()
    while sender.is_alive() or missing or begun < len(sender.acknowledged):
        acknowledged = dict(sender.acknowledged)
        for customer in list(acknowledged)[begun:]:
            missing[customer] = set(followed)
        begun = len(acknowledged)
        for customer, waiting in list(missing.items()):
            for hop in [hop for hop in followed if hop in waiting]:
                moment = followed[hop](customer)
                if moment is None:
                    break  # it cannot be further than this
                found[hop].append(max(moment - acknowledged[customer], 0.0))
                waiting.discard(hop)
            if not waiting:
                del missing[customer]
            elif time.perf_counter() - acknowledged[customer] > PATIENCE_SECONDS:
                raise TimeoutError(f"The click of customer {customer} has not reached {', '.join(waiting)}.")
        time.sleep(0.0005)
    sender.join()
    return found


@contextmanager
def engine_running(engine: str, stack: LocalStack) -> Iterator[None]:
    """Flink's job, or Spark's with its time between batches."""
    env = stack.job_env()
    if engine == FLINK:
        job = [
            str(REPO_ROOT / ".venvs/flink/bin/python"),
            "-m",
            "stream_processing.flink_python.run",
            "realtime_features",
        ]
        subprocess.run(job, cwd=REPO_ROOT, env=env, check=True)
        yield
        subprocess.run([*job, "--cancel"], cwd=REPO_ROOT, env=env, check=True)
        return
    module = "stream_processing.spark_streaming.streaming_jobs.create_realtime_features"
    command = [str(spark_python()), "-m", module, "--trigger-seconds", str(MICRO_BATCH[engine])]
    with (stack.run_dir / f"{engine}.log").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPO_ROOT, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def measure(engines: Sequence[str], rates: Sequence[int], seconds: float) -> list[Measured]:
    """Every engine at every rate, on one stack, one engine after the other."""
    found = []
    with tempfile.TemporaryDirectory(prefix="bench_freshness_") as folder:
        stack = LocalStack(Path(folder), (*SERVERS, *LATER_SERVERS))
        try:
            stack.start(*SERVERS)
            settings = override_settings(stack.settings_env())
            create_topics(load_topics().values(), settings.kafka)
            open_shop(stack, settings)
            stack.start(*LATER_SERVERS)
            customers = iter(range(FIRST_MARKED, FIRST_MARKED + MARKED))
            token = mint(settings.auth, list(Scope), 7_200, subject="bench", now=time.time())
            api = httpx.Client(
                base_url=f"http://{stack.address('serving')}", headers={"Authorization": f"Bearer {token}"}
            )
            watcher = Watcher(settings)
            try:
                for engine in engines:
                    followed = hops(settings, watcher, api)
                    with engine_running(engine, stack):
                        follow(settings, followed, customers, WARM_RATE, WARM_SECONDS)
                        for rate in rates:
                            delays = follow(settings, followed, customers, rate, seconds)
                            found.append(Measured(engine, rate, delays))
            finally:
                watcher.close()
                api.close()
        finally:
            stack.stop()
    return found


def fresher(found: Sequence[Measured]) -> dict[str, float]:
    """How many times longer each micro-batch engine's median is than Flink's, at the rate where that is least."""
    medians = {(one.engine, one.rate): one.quantiles_ms(FEATURE_READ)[0] for one in found}
    return {
        engine: round(min(medians[engine, rate] / medians[FLINK, rate] for name, rate in medians if name == engine), 1)
        for engine in {one.engine for one in found} - {FLINK}
        if any(one.engine == FLINK for one in found)
    }


def plot(found: Sequence[Measured]) -> Figure:
    """The share of clicks that the feature read, and that the API's answer, shows after a time."""
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    rates = sorted({one.rate for one in found})
    colours = {FLINK: ACCENT, "spark_1s": PEER}
    for axes, hop in zip(panels, (FEATURE_READ, ANSWER), strict=True):
        for one in found:
            delays = np.sort(one.delays[hop]) * 1e3
            axes.plot(
                delays,
                np.arange(1, len(delays) + 1) / len(delays),
                color=colours.get(one.engine, INK),
                linestyle="-" if one.rate == rates[0] else "--",
                label=f"{one.engine.replace('_', ' ')}, {one.rate:,}/s",
            )
        axes.set_xscale("log")
        axes.set_xlabel("milliseconds from Kafka's acknowledgement", fontsize=8)
        axes.set_title(f"Clicks that the {hop} shows", fontsize=10, loc="left", color=INK)
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, frameon=False, loc="outside lower center", ncols=3)
    return figure


def report(found: Sequence[Measured], seconds: float) -> dict[str, object]:
    """The figures as JSON."""
    rows = [
        {
            "engine": one.engine,
            "clicks_per_second": one.rate,
            "marked": len(one.delays[FEATURE_READ]),
            **{
                f"{hop.replace(' ', '_')}_ms": dict(zip(("p50", "p95", "p99"), one.quantiles_ms(hop), strict=True))
                for hop in one.delays
            },
        }
        for one in found
    ]
    measured_at = to_rfc3339(datetime.now(UTC))
    return {"measured_at": measured_at, "seconds": seconds, "rows": rows, "median_times_flink": fresher(found)}


def as_table(found: Sequence[Measured]) -> Table:
    """The figures for a reader."""
    table = Table("engine", "clicks/s", "marked", caption="milliseconds, p50 / p95 / p99")
    for hop in found[0].delays:
        table.add_column(f"to the {hop}")
    for one in found:
        quantiles = [" / ".join(f"{value:.0f}" for value in one.quantiles_ms(hop)) for hop in one.delays]
        table.add_row(one.engine, f"{one.rate:,}", str(len(one.delays[FEATURE_READ])), *quantiles)
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; exit 1 when Flink's median to the feature read or its lead is not what the goal says."""
    engines = [FLINK, *MICRO_BATCH]
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_freshness", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000], help="clicks a second beside")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each rate")
    parser.add_argument("--engines", nargs="+", choices=engines, default=engines)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write freshness.json and freshness.svg there")
    arguments = parser.parse_args(argv)
    found = measure(arguments.engines, arguments.rates, arguments.seconds)
    console = Console(highlight=False)
    console.print(as_table(found))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report(found, arguments.seconds), indent=2) + "\n"
        (arguments.out / "freshness.json").write_text(text, encoding="utf-8")
        (arguments.out / "freshness.svg").write_text(svg_of(plot(found)), encoding="utf-8")
    worst = max((one.quantiles_ms(FEATURE_READ)[0] for one in found if one.engine == FLINK), default=0.0)
    leads = fresher(found)
    console.print(f"Flink's worst median to the feature read: {worst:.0f} ms (goal {BOUND_MS:.0f} ms)")
    for engine, times in sorted(leads.items()):
        console.print(f"{engine} takes {times:.0f} times as long (goal: at least {TIMES_FRESHER:.0f} times)")
    return 1 if worst > BOUND_MS or any(times < TIMES_FRESHER for times in leads.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
