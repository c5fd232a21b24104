"""B1, B5, B8 and F27: thousands of bad records, near duplicates, clocks that lie; the good ones do not notice."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, TRANSACTION, dlq_name, late_name
from data_lake import catalog
from data_lake.catalog import Table
from shared_utils.kafka_helpers import read_all
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from tests.fakes import flink_world
from tests.fakes.fate_cases import NOON, click, encoded, transaction
from tests.fakes.fault_plan import SEED, whole_only
from tests.fakes.flink_cluster import FlinkUnderTest
from tests.fakes.replayed_shop import ReplayedShop

pytestmark = [pytest.mark.kafka, whole_only, pytest.mark.timeout(1_500)]

Note = Callable[[str, object], None]
EACH = 1_000
SECOND = timedelta(seconds=1)
PRODUCERS, SKEWED = 5, 3


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayedShop]:
    folder = tmp_path_factory.mktemp("data")
    with LocalStack(folder, ["kafka"]) as stack:
        shop = ReplayedShop.make(stack, folder)
        shop.send([*bad_clicks(), *baskets()])
        done = shop.drain()
        assert done.returncode == 0, done.stderr[-3_000:]
        yield shop


def record(topic: str, value: bytes | None, customer: int = 1, after: timedelta = SECOND) -> Record:
    return Record(topic, str(customer).encode(), value, int((NOON + after).timestamp() * 1000))


def bad_clicks() -> list[Record]:
    """Good clicks between a thousand of each class of bytes that are no event, and clocks that lie."""
    good = encoded(click(1))
    classes = [b"hello", good[:-7], b"\xff\xfe" + good, b"", None, b"\xef\xbb\xbf" + good]
    values = [value for value in classes for _ in range(EACH)]
    values += [encoded(click(10_000 + n)) for n in range(EACH)]
    random.Random(SEED).shuffle(values)
    lies = [
        encoded(click(20_000, NOON + timedelta(days=1))),
        encoded(click(20_001, NOON, event_time="1970-01-01T00:00:00.000Z")),
        encoded(click(20_002, NOON, event_time="2026-11-02T12:00:00.000+02:00")),
    ]
    return [record(CLICK, value) for value in [*lies, *values]]


def baskets() -> list[Record]:
    """Five producers, one with its clock ten minutes ahead; then each basket again, and a tenth with another total."""
    sent: list[Record] = []
    for number in range(EACH):
        producer = number % PRODUCERS
        ahead = timedelta(minutes=10) if producer == SKEWED else timedelta()
        event = transaction(30_000 + number, NOON + ahead, customer_id=producer + 1)
        sent.append(record(TRANSACTION, encoded(event), producer + 1))
        if producer != SKEWED:
            after = 2 * SECOND
            sent.append(record(TRANSACTION, encoded(event), producer + 1, after))
            if number % 10 == 0:
                sent.append(record(TRANSACTION, encoded({**event, "channel": "web"}), producer + 1, 3 * SECOND))
    return sent


def rows(shop: ReplayedShop, table: Table, topic: str | None = None) -> list[dict[str, object]]:
    found: list[dict[str, object]] = DeltaTable(table.path(shop.folder / "lake")).to_pyarrow_table().to_pylist()
    return [row for row in found if topic in (None, row.get("topic"))]


@pytest.mark.spark
def test_b1_a_thousand_of_each_unreadable_class_are_in_the_dlq_and_silver_is_the_rest(
    shop: ReplayedShop, record_property: Note
) -> None:
    letters = Counter(letter.headers["reason"] for letter in read_all(dlq_name(CLICK), shop.kafka))
    record_property("dead letters", dict(letters))
    assert letters[b"PARSE"] == 6 * EACH
    assert len(rows(shop, catalog.SILVER_CLICK)) == EACH


@pytest.mark.spark
def test_b8_a_clock_that_lies_is_refused_and_evicts_nobody(shop: ReplayedShop) -> None:
    refused = Counter(row["reason"] for row in rows(shop, catalog.QUARANTINE, CLICK))
    assert (refused["FUTURE"], refused["SCHEMA"]) == (1, 2)
    assert rows(shop, catalog.LATE_EVENT) == []


@pytest.mark.spark
def test_b5_the_first_of_an_id_wins_and_each_contradiction_is_counted(shop: ReplayedShop) -> None:
    in_time = EACH - EACH // PRODUCERS
    baskets = Counter(row["event_id"] for row in rows(shop, catalog.TRANSACTION_LINE))
    assert (len(baskets), set(baskets.values())) == (in_time, {2})  # two lines each
    assert {row["channel"] for row in rows(shop, catalog.TRANSACTION_LINE)} == {"pos"}
    assert len(rows(shop, catalog.DUPLICATE_EVENT, TRANSACTION)) == in_time
    conflicts = [row for row in rows(shop, catalog.QUARANTINE, TRANSACTION) if row["reason"] == "ID_CONFLICT"]
    assert len(conflicts) == EACH // 10


@pytest.mark.spark
def test_f27_a_producer_ten_minutes_ahead_is_flagged_and_makes_no_other_late(
    shop: ReplayedShop, record_property: Note
) -> None:
    future = [row for row in rows(shop, catalog.QUARANTINE, TRANSACTION) if row["reason"] == "FUTURE"]
    kept = {json.loads(row["value"])["event_time"] for row in future if isinstance(row["value"], bytes)}
    record_property("flagged", len(future))
    assert len(future) == EACH // PRODUCERS
    assert kept == {"2026-11-02T12:10:00.000Z"}  # its own time stays readable
    assert rows(shop, catalog.LATE_EVENT, TRANSACTION) == []


@pytest.mark.flink
def test_f27_a_clock_ten_minutes_ahead_drags_no_watermark_in_flink(tmp_path: Path, record_property: Note) -> None:
    """The skewed producer stamps its records itself, so that Kafka's own time of them runs ahead too."""
    rng, ahead_ms = random.Random(SEED), 10 * flink_world.MINUTE_MS
    sent, counted = [], 0
    for number in range(2_000):
        producer, now = number % PRODUCERS, flink_world.BASE_MS + number * 500
        lead = ahead_ms if producer == SKEWED else 0
        event = flink_world.click(rng, 10 * producer + rng.randint(1, 9), now + lead, "view")
        counted += 1
        sent.append(flink_world.record(CLICK, event, now + lead + rng.randint(0, 900)))
    with LocalStack(tmp_path, ["kafka", "flink_jobmanager", "flink_taskmanager"]) as stack:
        flink = FlinkUnderTest(stack, SHOP_FLINK__CHECKPOINT_INTERVAL_MS="1000")
        flink.send(sent)
        jobs = {name: flink.start(name) for name in ("session_aggregator", "realtime_features")}
        for job in jobs.values():
            flink.wait_consumed(job, [CLICK], 300)
        late = flink.received(late_name(CLICK))
        record_property("late of the others", len(late))
        assert late == []
        assert len(flink.received(CUSTOMER_FEATURE)) == counted
