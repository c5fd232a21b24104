"""Where the evidence lies: topics, bronze and silver tables, Redis. A store that is away is named, not left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast

import confluent_kafka as kafka
import orjson
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from deltalake import DeltaTable
from pyarrow.dataset import field
from redis import RedisError

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, RECOMMENDATION_DECISION
from data_lake import tables
from data_lake.catalog import (
    BRONZE_CLICK,
    BRONZE_OF_FEATURE_TOPIC,
    LATE_EVENT,
    QUARANTINE,
    SILVER_CLICK,
    Table,
)
from data_lake.storage import LakeRoot, root_of
from data_lake.tables import open_delta
from feature_store.core.live_packing import stamp_of, unpack_customer_minutes
from feature_store.online_store.client import connect
from feature_store.online_store.keys import LIVE_CUSTOMER, record_key
from production_ops.trace.core.evidence import Archived, Evidence, Held, HeldMinute, Place, place_of
from production_ops.trace.core.minutes import COUNTED, minute_of
from shared_utils.errors import DataError, DependencyError, PlatformError
from shared_utils.kafka_helpers import answer_seconds, client_config, read_all, unreachable
from shared_utils.records import Received
from shared_utils.settings import KafkaSettings, Settings
from shared_utils.time_utils import EPOCH

_TOPICS: Final = (CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, RECOMMENDATION_DECISION)
_BRONZE: Final = {CLICK: BRONZE_CLICK, **BRONZE_OF_FEATURE_TOPIC}
_REDIS_TIMEOUT_MS: Final = 1_000
_MILLISECOND: Final = timedelta(milliseconds=1)


def newest_click(settings: Settings, customer_id: int | None = None) -> str:
    """The id of the click that arrived last, of those that count as a feature; of one customer, or of all.

    Raises:
        PlatformError: there is none.
        DependencyError: Kafka does not answer.
    """
    key = None if customer_id is None else str(customer_id).encode()
    newest: tuple[int, Place, str] | None = None
    for record in read_all(CLICK, settings.kafka):
        if key is not None and record.key != key:
            continue
        click = _click_of(record)
        if click is None or click["action"] not in COUNTED[CUSTOMER_FEATURE]:
            continue
        found = (record.timestamp_ms or 0, place_of(record), str(click["event_id"]))
        newest = found if newest is None else max(newest, found)
    if newest is None:
        who = "" if customer_id is None else f" of customer {customer_id}"
        raise PlatformError(
            f"{CLICK} at {settings.kafka.bootstrap_servers} holds no view, add, remove or search{who}.",
            "Send one, or name the stack that has it with --run-dir.",
        )
    return newest[2]


def evidence_of(event_id: str, settings: Settings) -> Evidence:
    """All that the platform recorded of a click.

    Raises:
        PlatformError: the click is not in its topic.
        DependencyError: Kafka does not answer.
    """
    arrivals = _arrivals(event_id, settings.kafka)
    first = min(arrivals, key=place_of)
    click = orjson.loads(first.value or b"")
    customer_id, product_id = click["customer_id"], click["product_id"]
    missing: dict[str, str] = {}

    def of(topic: str, entity: int | None) -> list[Received]:
        try:
            return [] if entity is None else list(_keyed(topic, entity, settings.kafka))
        except DependencyError as exc:
            missing[topic] = exc.message
            return []

    customers, products = of(CUSTOMER_FEATURE, customer_id), of(PRODUCT_FEATURE, product_id)
    records = {CLICK: arrivals, CUSTOMER_FEATURE: customers, PRODUCT_FEATURE: products}
    return Evidence(
        arrivals=arrivals,
        customer_features=customers,
        product_features=products,
        decisions=of(RECOMMENDATION_DECISION, customer_id),
        archived={topic: _archived(topic, each, root_of(settings)) for topic, each in records.items()},
        held=_held(customer_id, minute_of(click), settings),
        fate=_fate(event_id, place_of(first), root_of(settings)),
        timestamp_types=_timestamp_types(settings.kafka),
        missing_topics=missing,
    )


def _arrivals(event_id: str, settings: KafkaSettings) -> list[Received]:
    needle, read, found = event_id.encode(), 0, []
    for record in read_all(CLICK, settings):
        read += 1
        if needle in (record.value or b"") and (click := _click_of(record)) and click["event_id"] == event_id:
            found.append(record)
    if not found:
        raise PlatformError(
            f"None of the {read} records of {CLICK} at {settings.bootstrap_servers} is click {event_id}.",
            "Check the id, or name the stack that has it with --run-dir; --latest takes the last click there is.",
        )
    return found


def _click_of(record: Received) -> Mapping[str, Any] | None:
    """A click with the fields that a trace needs; None for what the contract refuses for lack of them."""
    try:
        click = orjson.loads(record.value or b"")
        minute_of(click)
        kinds = {"event_id": str, "action": str, "customer_id": int, "product_id": int | None}
        return click if all(isinstance(click[name], kind) for name, kind in kinds.items()) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _keyed(topic: str, entity: int, settings: KafkaSettings) -> Iterator[Received]:
    key = str(entity).encode()
    return (record for record in read_all(topic, settings) if record.key == key)


def _timestamp_types(settings: KafkaSettings) -> dict[str, str]:
    """What each topic's timestamps mean: CreateTime (set by the producer) or LogAppendTime (by the broker)."""
    admin, timeout = AdminClient(client_config(settings, "trace")), answer_seconds(settings)
    try:
        there = [topic for topic in _TOPICS if topic in admin.list_topics(timeout=timeout).topics]
        asked = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in there]
        answers = admin.describe_configs(asked, request_timeout=timeout) if asked else {}
        return {resource.name: str(answer.result()["message.timestamp.type"].value)
                for resource, answer in answers.items()}  # fmt: skip
    except kafka.KafkaException as exc:
        raise unreachable(settings, exc) from exc


def _archived(topic: str, records: Sequence[Received], lake_root: LakeRoot) -> Archived:
    table = _table(_BRONZE[topic], lake_root)
    if table is None:
        return Archived(missing=f"{_BRONZE[topic].full_name} does not exist under {lake_root}")
    places = {place_of(record) for record in records}
    rows = table.to_pyarrow_dataset().to_table(
        columns=["partition", "offset", "ingest_time"],
        filter=(field("topic") == topic) & field("partition").isin(sorted({place.partition for place in places})),
    )
    ingest_ms, last_offset = {}, dict[int, int]()
    for partition, offset, ingest in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        last_offset[partition] = max(offset, last_offset.get(partition, -1))
        if (partition, offset) in places:
            ingest_ms[Place(partition, offset)] = (ingest - EPOCH) // _MILLISECOND
    return Archived(ingest_ms, last_offset)


def _fate(event_id: str, place: Place, lake_root: LakeRoot) -> str | None:
    """Where the lake settled a click's arrival: silver, or one of the tables of what silver refuses."""
    if _first_row(SILVER_CLICK, field("event_id") == event_id, "event_id", lake_root) is not None:
        return f"a row in {SILVER_CLICK.full_name}"
    here = (field("topic") == CLICK) & (field("partition") == place.partition) & (field("offset") == place.offset)
    for table, column in ((LATE_EVENT, "lateness_seconds"), (QUARANTINE, "reason")):
        value = _first_row(table, here, column, lake_root)
        if value is not None:
            return f"a row in {table.full_name} ({column} {value})"
    return None


def _first_row(table: Table, wanted: Any, column: str, lake_root: LakeRoot) -> object:
    delta = _table(table, lake_root)
    rows = [] if delta is None else delta.to_pyarrow_dataset().head(1, columns=[column], filter=wanted).to_pylist()
    return rows[0][column] if rows else None


def _table(table: Table, lake_root: LakeRoot) -> DeltaTable | None:
    return open_delta(table, lake_root) if tables.exists(table, lake_root) else None


def _held(customer_id: int, minute: int, settings: Settings) -> Held:
    """What Redis holds of the customer's minute now."""
    client = connect(settings.redis.url, _REDIS_TIMEOUT_MS)
    try:
        blob = cast("bytes | None", client.hget(record_key(LIVE_CUSTOMER, customer_id), str(minute)))
        if blob is None:
            return Held()
        minutes, stamp = unpack_customer_minutes({minute: blob}), stamp_of(blob)
        return Held(HeldMinute(stamp.primary, stamp.offset, minutes.last_of(minutes.minute == minute).event_id))
    except RedisError as exc:
        return Held(missing=f"Redis does not answer ({exc})")
    except DataError as exc:
        return Held(missing=exc.message)
    finally:
        client.close()
