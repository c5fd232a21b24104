"""Fill the live part of Redis from the lake, beside a running writer: what is newer stays.

Reads: the bronze feature tables, and the feature topics behind what the lake has. Writes: Redis `shop:live_*`.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import structlog
from deltalake import DeltaTable
from pyarrow.dataset import Dataset, field
from rich.console import Console

from contracts.registry import topic as topic_of
from contracts.topics_names import FEATURE_TOPICS, SESSION_FEATURE
from data_lake import tables
from data_lake.bronze_rows import RECORD_COLUMNS, received_rows
from data_lake.catalog import BRONZE_OF_FEATURE_TOPIC
from data_lake.storage import root_of
from data_lake.tables import open_delta
from feature_store.core.live_packing import stamp_of
from feature_store.online_store.archive import Place, app_id
from feature_store.online_store.client import WRITE_TIMEOUT_MS, connect
from feature_store.online_store.live_records import Judge, LiveUpdate, Visit, update_of
from feature_store.online_store.live_store import RETAINED_MINUTES, VISIT_TTL_SECONDS, LiveStore, place_of
from shared_utils.cli import run_main
from shared_utils.errors import DependencyError, ProofFailedError
from shared_utils.kafka_helpers import read_between
from shared_utils.settings import Settings, load_settings

log = structlog.get_logger(__name__)

MINUTES_DAYS: Final = 3
"""Days of arrival, up to the newest, that can hold a minute of the last 24 hours (with late ones)."""
VISIT_DAYS: Final = VISIT_TTL_SECONDS // 86_400
_CHUNK: Final = 2_000

Report = Callable[[str, int, int], None]
"""Called with a step, how much is done and how much there is."""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found and put. `places`: minutes and visits that belong into Redis; `held`: that stand there now.

    `with_tail`: what Kafka has beyond the lake is in it too. `whole`: nothing was lost again meanwhile.
    """

    records: int
    places: int
    held: int
    written: int
    with_tail: bool
    whole: bool
    seconds: float

    @property
    def coverage_ratio(self) -> float:
        """The share of places that stand in Redis, 1.0 where there are none."""
        return self.held / self.places if self.places else 1.0


def rebuild(
    settings: Settings,
    store: LiveStore,
    *,
    report: Report = lambda _step, _done, _of: None,
    read_up_to: Mapping[Place, int] | None = None,
    stopped: threading.Event | None = None,
) -> Rebuilt:
    """Put the newest record of each place that the lake and Kafka's tail know.

    `read_up_to`: where the tail ends, by partition; a writer that fills while it reads on leaves the rest to itself.

    Raises:
        DependencyError: Redis does not answer.
    """
    began, newest = time.monotonic(), _Newest()
    token = store.begin_filling()
    unbroken = True

    def report_and_renew(step: str, done: int, of: int) -> None:
        nonlocal unbroken
        report(step, done, of)
        unbroken = store.is_filling(token) and unbroken

    tails = [_collect(topic, settings, newest, report_and_renew, read_up_to) for topic in FEATURE_TOPICS]
    updates = newest.retained()
    written, held = 0, 0
    for done, chunk in _chunks(updates):
        if stopped is not None and stopped.is_set():
            break
        written += store.put(chunk).written
        report_and_renew("put", done, len(updates))
    for done, chunk in _chunks(updates):
        held += store.held(chunk)
        report_and_renew("check", done, len(updates))
    whole = unbroken and held == len(updates) and store.is_filling(token, complete=True)
    seconds = time.monotonic() - began
    log.info("live_store_filled", places=len(updates), held=held, whole=whole, seconds=round(seconds, 2))
    return Rebuilt(newest.records, len(updates), held, written, all(tails), whole, seconds)


class _Newest:
    """The newest update of each place, and which of them are recent enough to stand in the store."""

    def __init__(self) -> None:
        self.records = 0
        self._updates: dict[tuple[object, ...], LiveUpdate] = {}
        self._last_minute: dict[tuple[object, ...], int] = {}

    def add(self, updates: Iterable[LiveUpdate]) -> None:
        for update in updates:
            self.records += 1
            place = place_of(update)
            held = self._updates.get(place)
            if held is None or stamp_of(update.blob) > stamp_of(held.blob):
                self._updates[place] = update
            if not isinstance(update, Visit):
                entity = place[:2]
                self._last_minute[entity] = max(update.minute, self._last_minute.get(entity, update.minute))

    def retained(self) -> list[LiveUpdate]:
        """What the store would keep of them."""
        return [
            update
            for place, update in self._updates.items()
            if isinstance(update, Visit) or update.minute > self._last_minute[place[:2]] - RETAINED_MINUTES
        ]


def _collect(
    topic: str, settings: Settings, newest: _Newest, report: Report, read_up_to: Mapping[Place, int] | None
) -> bool:
    """Add what the lake has of a topic and what Kafka has beyond; False where Kafka could not be asked."""
    table = _open(topic, settings)
    if table is not None:
        done, rows = 0, _recent(table, topic).count_rows()
        for batch in _recent(table, topic).to_batches(columns=list(RECORD_COLUMNS)):
            newest.add(update_of(record) for record in received_rows(batch))
            done += batch.num_rows
            report(topic, done, rows)
    stops = None if read_up_to is None else {n: end for (name, n), end in read_up_to.items() if name == topic}
    judge, tail = Judge(), 0
    try:
        for record in read_between(topic, _positions(table, topic), stops, settings.kafka):
            newest.add(judge.part([record]).updates)
            tail += 1
    except DependencyError as exc:
        log.warning("rebuild_without_kafka", topic=topic, error=exc.message)
        return False
    report(f"{topic}, not in the lake yet", tail, tail)
    return True


def _open(topic: str, settings: Settings) -> DeltaTable | None:
    table, root = BRONZE_OF_FEATURE_TOPIC[topic], root_of(settings)
    return open_delta(table, root) if tables.exists(table, root) else None


def _positions(table: DeltaTable | None, topic: str) -> dict[int, int]:
    """The first offset of each partition that the table does not have; a partition unknown to it is left out."""
    if table is None:
        return {}
    known = {number: table.transaction_version(app_id((topic, number))) for number in range(topic_of(topic).partitions)}
    return {number: version + 1 for number, version in known.items() if version is not None}


def _recent(table: DeltaTable, topic: str) -> Dataset:
    """The rows that can still count: those of the last days of arrival, seen from the newest."""
    dataset = table.to_pyarrow_dataset()
    days = sorted(date.fromisoformat(str(partition["ingest_date"])) for partition in table.partitions())
    if not days:
        return dataset
    kept = VISIT_DAYS if topic == SESSION_FEATURE else MINUTES_DAYS
    return dataset.filter(field("ingest_date") > days[-1] - timedelta(days=kept))


def _chunks(updates: Sequence[LiveUpdate]) -> Iterator[tuple[int, Sequence[LiveUpdate]]]:
    """Parts of the updates, each with how many are done after it."""
    for start in range(0, len(updates), _CHUNK):
        chunk = updates[start : start + _CHUNK]
        yield start + len(chunk), chunk


def main(argv: Sequence[str] | None = None) -> int:
    """Rebuild and print the coverage.

    Raises:
        DependencyError: Redis does not answer.
        ProofFailedError: Redis does not hold all that it should.
    """
    parser = argparse.ArgumentParser(prog="python -m feature_store.online_store.rebuild_live", description=__doc__)
    parser.parse_args(argv)
    settings, console = load_settings(), Console(highlight=False, soft_wrap=True)
    store = LiveStore(connect(settings.redis.url, WRITE_TIMEOUT_MS))

    def show(step: str, done: int, of: int) -> None:
        if done == of or done % (10 * _CHUNK) == 0:
            console.print(f"  {step}: {done:,} of {of:,}")

    done = rebuild(settings, store, report=show)
    console.print(
        f"{done.records:,} records read, {done.places:,} minutes and visits belong into Redis, {done.written:,} were "
        f"missing; coverage {done.coverage_ratio:.2%} after {done.seconds:.1f} s"
    )
    if not done.with_tail:
        console.print("Kafka did not answer: what the lake did not have yet is left to the writer.")
    if not done.whole:
        raise ProofFailedError(
            f"{done.places - done.held} places are missing, or Redis was emptied meanwhile.", "Run this again."
        )
    return 0


if __name__ == "__main__":
    run_main(main)
