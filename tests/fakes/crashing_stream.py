"""A payment stream that is crashed after each of its writes. Runs in the spark environment; the test reads the lake.

For each step a fresh batch is sent and a drain crashes right after that write, in this process; the next drain replays
the batch before it takes its own. Then a batch meets a limit of no refuse at all: it stops the stream and is taken when
the limit is lifted. The last crash is real: SIGKILL of the process group, with the JVM, after silver is written and
before the DLQ and the checkpoint know it.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta

from contracts.topics_names import PAYMENT
from data_lake.catalog import BRONZE_PAYMENT, DUPLICATE_EVENT, LATE_EVENT, QUARANTINE, SILVER_PAYMENT
from shared_utils.errors import RejectRatioError
from shared_utils.kafka_helpers import Producer
from shared_utils.records import Record
from shared_utils.settings import Settings, load_settings
from stream_processing.spark_streaming import runner
from stream_processing.spark_streaming.batch_writer import DLQ_STEP
from stream_processing.spark_streaming.run import select_jobs
from stream_processing.spark_streaming.session import start_session
from tests.fakes.fate_cases import NOON, encoded, payment

TABLES = (BRONZE_PAYMENT, QUARANTINE, LATE_EVENT, DUPLICATE_EVENT, SILVER_PAYMENT)
STEPS = (*(table.full_name for table in TABLES), DLQ_STEP)
SILVER_EACH = 7
# One for each step, one that is refused at first, one for the kill.
BATCHES = len(STEPS) + 2


class InjectedCrashError(Exception):
    """The crash that a hook plants."""


def batch_values(batch: int) -> list[tuple[bytes, int]]:
    """Values and arrivals (epoch ms) of one batch: 7 silver, 2 late, 2 repeats, 1 refused. Ids depend on the batch."""
    first = 1_000 * (batch + 1)
    soon, late = NOON + timedelta(seconds=batch), NOON + timedelta(days=1, seconds=batch)
    timely = [encoded(payment(first + n)) for n in range(SILVER_EACH)]
    tardy = [encoded(payment(first + 100 + n)) for n in range(2)]
    sent = [(value, soon) for value in (*timely, timely[0], timely[1][:-1])] + [(value, late) for value in tardy]
    sent.append((tardy[0], late + timedelta(seconds=1)))
    return [(value, int(arrival.timestamp() * 1000)) for value, arrival in sent]


def send(values: list[tuple[bytes, int]], settings: Settings) -> None:
    """Produce them in order, all under one key."""
    with Producer(settings.kafka, "crashing_stream") as producer:
        for value, arrival_ms in values:
            producer.send(Record(PAYMENT, b"1", value, arrival_ms))


def crash_after(step: str, crash: Callable[[], None], *, batches_before: int = 0) -> Callable[[str], None]:
    """A hook for the batch writer; it lets `batches_before` batches pass."""
    passed = itertools.count()

    def hook(done: str) -> None:
        if done == step and next(passed) == batches_before:
            crash()

    return hook


def raise_crash() -> None:
    """The stream's thread dies; the process lives."""
    raise InjectedCrashError


def kill_group() -> None:
    """The whole process group dies, the JVM too."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def main() -> int:
    settings = load_settings()
    (job,) = select_jobs(PAYMENT)
    spark = start_session("crashing_stream")

    def drain(hook: Callable[[str], None] | None = None, with_settings: Settings = settings) -> None:
        stream = runner.prepare(job, with_settings, rebuild=False, after_step=hook)
        runner.drain(spark, [stream], with_settings)

    for batch, step in enumerate(STEPS):
        send(batch_values(batch), settings)
        try:
            drain(crash_after(step, raise_crash, batches_before=min(batch, 1)))
        except Exception as exc:  # Spark hands the crash on as an error of its own
            if "InjectedCrashError" not in str(exc):
                raise
        else:
            raise SystemExit(f"nothing crashed after {step}")
    drain()
    stop_at_refuse(drain, settings)
    send(batch_values(BATCHES - 1), settings)
    drain(crash_after(SILVER_PAYMENT.full_name, kill_group))
    raise SystemExit("still alive")


def stop_at_refuse(drain: Callable[..., None], settings: Settings) -> None:
    """With no refuse allowed a batch stops the stream, which says so on standard output; then it is taken."""
    send(batch_values(BATCHES - 2), settings)
    strict = {"lake": settings.lake.model_copy(update={"max_reject_ratio": 0.0, "reject_ratio_min_rows": 1})}
    try:
        drain(None, settings.model_copy(update=strict))
    except RejectRatioError as exc:
        sys.stdout.write(f"{exc.message}\n")
        sys.stdout.flush()
    else:
        raise SystemExit("the refuse was taken")
    drain()


if __name__ == "__main__":
    main()
