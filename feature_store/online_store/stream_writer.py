"""Feature records from Kafka into Redis at once, and into the lake beside it.

Reads: features.customer.v1, features.product.v1, features.session.v1. Writes: Redis `shop:live_*`; bronze
customer_feature, product_feature, session_feature; `<topic>.dlq`. Grain: one record.

Order for each batch: Redis, dead letters, lake with position, Kafka's offsets. A crash between two repeats what is
idempotent; the lake's own position says where to go on.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from prometheus_client import start_http_server
from rich.console import Console

from contracts.reasons import Refusal
from data_lake.storage import root_of
from feature_store.online_store.archive import ArchiveWorker, FeatureArchive, Place, Taken
from feature_store.online_store.client import WRITE_TIMEOUT_MS, connect
from feature_store.online_store.feature_intake import FeatureIntake
from feature_store.online_store.live_records import Judge, LiveUpdate, letter
from feature_store.online_store.live_store import LiveStore, Mark
from feature_store.online_store.rebuild_live import rebuild
from feature_store.online_store.writer_metrics import ACCEPTED, DEAD_LETTERS, REDIS, REFUSED, WriterMetrics
from shared_utils.cli import run_main, stop_signal
from shared_utils.errors import DependencyError
from shared_utils.kafka_helpers import Producer
from shared_utils.records import Received
from shared_utils.settings import Settings, load_settings

log = structlog.get_logger(__name__)

_POLL_SECONDS: Final = 0.2
_CHECK_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0
_ROOM_SECONDS: Final = 0.05
ONCE_PATIENCE_SECONDS: Final = 60.0


class FeatureWriter:
    """The consumer. `patience_seconds`: how long a store may be away before it gives up; None: for good."""

    def __init__(
        self,
        settings: Settings,
        metrics: WriterMetrics,
        stopped: threading.Event,
        patience_seconds: float | None = None,
    ) -> None:
        """Connect to Kafka and the lake; Redis may come later.

        Raises:
            DependencyError: the broker does not answer, or a topic is missing.
            DataError: the lake is ahead of Kafka.
        """
        self._settings = settings
        self._metrics = metrics
        self._stopped = stopped
        self._patience_seconds = patience_seconds
        self._judge = Judge()
        self._store = LiveStore(connect(settings.redis.url, settings.feature_writer.redis_timeout_ms))
        archive = FeatureArchive(root_of(settings))
        self._intake = FeatureIntake(settings.kafka, archive.last_offset)
        self._archive = ArchiveWorker(archive, settings.feature_writer, metrics)
        self._letters = Producer(settings.kafka, "feature-writer-dlq", keep_undelivered=False)
        self._filling: threading.Thread | None = None
        self._was_complete = False
        self._checked = float("-inf")

    def run(self, *, once: bool = False) -> None:
        """Write until stopped; `once`: until all that was in Kafka at the start is written.

        Raises:
            DependencyError: a store was away for longer than the patience, or the lake did not take the rest.
            DataError: Kafka lost the position.
        """
        try:
            while not self._stopped.is_set() and not (once and self._intake.is_drained()):
                self._look_after_store()
                records = self._intake.read(_POLL_SECONDS)
                if records:
                    self._take(records)
                self._intake.commit(self._archive.take_settled())
        finally:
            self._close(fill=once)

    def _take(self, records: Sequence[Received]) -> None:
        judged = self._judge.part(records)
        if not self._retry(lambda: self._put(judged.updates), waits_for=REDIS):
            return
        now_ms = time.time_ns() // 1_000_000
        self._count(judged.accepted, now_ms)
        if judged.refused and not self._retry(lambda: self._send_letters(judged.refused), waits_for=DEAD_LETTERS):
            return
        ends = {(record.topic, record.partition): record.offset for record in records}
        taken = Taken(judged.accepted, [now_ms] * len(judged.accepted), ends)
        while not self._archive.add(taken):
            log.warning("feature_writer_waits_for_lake", records=len(records))
            if self._stopped.wait(_ROOM_SECONDS):
                return

    def _put(self, updates: Sequence[LiveUpdate]) -> None:
        self._metrics.outdated.inc(self._store.put(updates).outdated)
        self._metrics.waiting[REDIS].set(0)

    def _send_letters(self, refused: Sequence[tuple[Received, Refusal]]) -> None:
        for record, refusal in refused:
            self._letters.send(letter(record, refusal))
        self._letters.flush()
        self._metrics.waiting[DEAD_LETTERS].set(0)
        for record, refusal in refused:
            self._metrics.records[record.topic, REFUSED].inc()
            log.warning("feature_refused", topic=record.topic, partition=record.partition, offset=record.offset,
                        reason=refusal.reason.value, detail=refusal.detail)  # fmt: skip

    def _count(self, accepted: Sequence[Received], now_ms: int) -> None:
        for record in accepted:
            self._metrics.records[record.topic, ACCEPTED].inc()
            if record.timestamp_ms is not None:
                self._metrics.delay[record.topic].observe((now_ms - record.timestamp_ms) / 1_000)

    def _retry(self, action: Callable[[], None], *, waits_for: str) -> bool:
        """Do it until it succeeds; False when the writer is stopped meanwhile. The position in Kafka stays.

        Raises:
            DependencyError: the patience is over.
        """
        began, pause = time.monotonic(), 0.0
        while not self._stopped.wait(pause):
            try:
                action()
            except DependencyError as exc:
                pause = min(max(2 * pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
                self._failed(exc, waits_for, time.monotonic() - began)
            else:
                if pause:
                    log.info("feature_writer_goes_on", waited_for=waits_for, seconds=round(time.monotonic() - began, 1))
                return True
        return False

    def _failed(self, error: DependencyError, waits_for: str, seconds: float) -> None:
        self._metrics.failures[waits_for].inc()
        self._metrics.waiting[waits_for].set(1)
        log.warning("feature_writer_waits", waits_for=waits_for, error=error.message, seconds=round(seconds, 1))
        if self._patience_seconds is not None and seconds > self._patience_seconds:
            raise error

    def _look_after_store(self) -> None:
        """Fill Redis from the lake when it says that it lost its live part (a new, flushed or restarted one)."""
        if time.monotonic() - self._checked < _CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        try:
            mark = self._store.mark()
        except DependencyError:
            return  # the next write waits for it
        if mark is Mark.EMPTY and not (self._filling and self._filling.is_alive()):
            if self._was_complete:
                self._metrics.store_losses.inc()
            log.warning("live_store_empty", lost=self._was_complete)
            self._filling = threading.Thread(
                target=self._fill, args=(self._intake.positions(),), name="fill", daemon=True
            )
            self._filling.start()
        self._was_complete = mark is Mark.COMPLETE

    def _fill(self, read_up_to: Mapping[Place, int]) -> None:
        store = LiveStore(connect(self._settings.redis.url, WRITE_TIMEOUT_MS))
        try:
            rebuild(self._settings, store, read_up_to=read_up_to, stopped=self._stopped)
        except DependencyError as exc:
            log.warning("live_store_not_filled", error=exc.message)

    def _close(self, *, fill: bool) -> None:
        if self._filling and fill:
            self._filling.join()
        try:
            self._archive.close()
        finally:
            self._intake.commit(self._archive.take_settled())
            self._intake.close()
            self._letters.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Write until SIGTERM, or with --once until Kafka is drained."""
    parser = argparse.ArgumentParser(prog="python -m feature_store.online_store.stream_writer", description=__doc__)
    parser.add_argument("--once", action="store_true", help="write what Kafka holds now, then end")
    arguments = parser.parse_args(argv)
    settings, metrics = load_settings(), WriterMetrics()
    with stop_signal() as stopped:
        writer = FeatureWriter(settings, metrics, stopped, ONCE_PATIENCE_SECONDS if arguments.once else None)
        if arguments.once:
            writer.run(once=True)
        else:
            page, thread = start_http_server(
                settings.feature_writer.port, settings.feature_writer.host, metrics.registry
            )
            try:
                writer.run()
            finally:
                page.shutdown()
                thread.join()
    Console(highlight=False).print(metrics.summary())
    return 0


if __name__ == "__main__":
    run_main(main)
