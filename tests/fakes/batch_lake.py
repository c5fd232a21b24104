"""A small real lake for the batch jobs: some customers' weeks from the archive, and Kafka rows with known fates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow as pa
from deltalake import write_deltalake

from batch_processing.interval import Interval
from batch_processing.pipeline import load_pipeline
from batch_processing.run_pipeline import DEFAULT_CONFIG, plan, run_steps
from batch_processing.spark_jobs.load_archive import _HEADERS
from contracts.topics_names import CLICK, INVENTORY, PAYMENT, TRANSACTION
from data_lake import engine, tables
from data_lake.catalog import BRONZE_OF_TOPIC
from data_lake.storage import LakeRoot, storage_options
from data_sources.calendar import Calendar
from data_sources.events import uuid_of
from data_sources.pos_logs.write_archive import write_archive
from shared_utils.local_stack import LocalStack
from shared_utils.settings import CalendarSettings, EngineSettings, LakeSettings, ObjectStoreSettings, Settings
from shared_utils.time_utils import fixed_clock, to_rfc3339

LIVE_END = date(2026, 11, 9)
WEEKS = 4
CUSTOMERS = 120
_TIME = pa.timestamp("us", tz="UTC")


def calendar() -> Calendar:
    """A pinned calendar whose history is only its last weeks."""
    whole = Calendar.from_settings(CalendarSettings(live_end=LIVE_END), fixed_clock(datetime(2026, 11, 20, tzinfo=UTC)))
    return Calendar(whole.shift, whole.live_start - timedelta(weeks=WEEKS), whole.live_start, whole.live_end)


def history() -> Interval:
    """The days that the archive's baskets fall on, and the day after: the last minute arrives on it."""
    shop = calendar()
    return Interval(shop.history_start.date(), shop.live_start.date() + timedelta(days=2))


def small_archive(folder: Path) -> Path:
    """A few customers' archive."""
    write_archive(folder, calendar(), limit_customers=CUSTOMERS)
    return folder


@contextmanager
def engines(run_dir: Path, *names: str) -> Iterator[LocalStack]:
    """Batch engines by process name; their sessions end before they do."""
    with LocalStack(run_dir, names) as stack:
        try:
            yield stack
        finally:
            engine.close()


def settings_of(stack: LocalStack, name: str, lake_root: LakeRoot) -> Settings:
    """Settings of a lake on one of the stack's engines."""
    local = isinstance(lake_root, Path)
    return Settings(
        env="test",
        calendar=CalendarSettings(live_end=LIVE_END),
        lake=LakeSettings(root=lake_root if local else lake_root.uri),
        object_store=ObjectStoreSettings() if local else lake_root.store,
        engine=EngineSettings(
            kind="spark" if name.startswith("spark") else "sail", remote=f"sc://{stack.address(name)}"
        ),
    )


def run_pipeline(settings: Settings, interval: Interval, archive: Path, *, disable: Sequence[str] = ()) -> list[str]:
    """The standard pipeline with the archive step on; gives the names of the steps that ran."""
    steps = plan(load_pipeline(DEFAULT_CONFIG), enable=["archive"], disable=disable)
    return [done.name for done in run_steps(steps, interval, settings, {"archive": str(archive)})]


@dataclass(frozen=True)
class Sent:
    """One Kafka record and what must become of it in the stream."""

    topic: str
    value: bytes
    arrival: datetime
    fate: str


def write_kafka_rows(lake_root: LakeRoot, sent: Sequence[Sent]) -> None:
    """Append the records to bronze as the stream would: one partition, offsets in the order given."""
    for topic in sorted({record.topic for record in sent}):
        table, rows = BRONZE_OF_TOPIC[topic], [(n, record) for n, record in enumerate(sent) if record.topic == topic]
        count = len(rows)
        columns = {
            "topic": pa.array([topic] * count),
            "partition": pa.array([0] * count, pa.int32()),
            "offset": pa.array([n for n, _ in rows], pa.int64()),
            "key": pa.array(["1"] * count),
            "value": pa.array([record.value for _, record in rows], pa.binary()),
            "headers": pa.nulls(count, _HEADERS),
            "arrival_time": pa.array([record.arrival for _, record in rows], _TIME),
            "ingest_time": pa.array([record.arrival for _, record in rows], _TIME),
            "source": pa.array(["kafka"] * count),
            "ingest_date": pa.array([record.arrival.date() for _, record in rows], pa.date32()),
        }
        partitions = None if tables.exists(table, lake_root) else list(table.partition_by)
        path, options = table.path(lake_root), storage_options(lake_root)
        write_deltalake(path, pa.table(columns), mode="append", partition_by=partitions, storage_options=options)


def kafka_day(day: date) -> list[Sent]:
    """One record of each fate on each of the shop's topics, around noon of `day`."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    soon, late = noon + timedelta(seconds=5), noon + timedelta(hours=30)
    return [record for topic in (CLICK, TRANSACTION, PAYMENT, INVENTORY) for record in _fates(topic, noon, soon, late)]


def _fates(topic: str, noon: datetime, soon: datetime, late: datetime) -> list[Sent]:
    good, other = _event(topic, "good", noon, 1), _event(topic, "good", noon, 2)
    return [
        Sent(topic, good, soon, "silver"),
        Sent(topic, good, soon + timedelta(seconds=1), "duplicate"),
        Sent(topic, other, soon + timedelta(seconds=2), "quarantine"),
        Sent(topic, b"{", soon + timedelta(seconds=3), "quarantine"),
        Sent(topic, _event(topic, "ahead", soon + timedelta(minutes=10), 1), soon, "quarantine"),
        Sent(topic, _event(topic, "late", noon, 1), late, "late"),
        Sent(topic, _event(topic, "late", noon, 1), late + timedelta(seconds=1), "duplicate"),
    ]


def _event(topic: str, name: str, at: datetime, amount: int) -> bytes:
    number = int(uuid_of(f"{name}{at}")[:7], 16) + 1
    bodies: dict[str, dict[str, object]] = {
        CLICK: {
            "session_id": "s1", "customer_id": 1, "action": "view", "product_id": amount, "position": None,
            "query": None, "basket_id": None, "page": "product", "device_type": "mobile",
        },
        TRANSACTION: {
            "basket_id": number, "customer_id": 1, "store_id": 330, "channel": "web", "currency": "USD",
            "total_cents": 100 * amount,
            "lines": [
                {
                    "line_number": 1, "product_id": 1095275, "quantity": amount, "sales_cents": 100 * amount,
                    "retail_discount_cents": 10, "coupon_discount_cents": 0, "coupon_match_discount_cents": 0,
                }
            ],
        },
        PAYMENT: {
            "payment_id": f"p{name}", "basket_id": number, "customer_id": 1, "attempt": 1, "outcome": "approved",
            "decline_reason": None, "amount_cents": 100 * amount, "currency": "USD", "card_token": "card-1",
            "device_id": "device-1", "region": "north",
        },
        INVENTORY: {"product_id": 1095275, "on_hand": 5, "change": amount, "reason": "count"},
    }  # fmt: skip
    head = {"event_id": uuid_of(f"{topic}{name}{at}"), "event_time": to_rfc3339(at)}
    return orjson.dumps({**head, **bodies[topic]})
