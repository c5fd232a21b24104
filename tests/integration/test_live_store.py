"""The live part of a real Redis: what stands there does not depend on order or repetition, and is read in one go."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from redis import Redis
from redis.connection import AbstractConnection

from contracts.topics_names import CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE
from feature_store.core.live_windows import ProductCategories
from feature_store.online_store import live_store
from feature_store.online_store.keys import LIVE_CUSTOMER, LIVE_VISIT, record_key
from feature_store.online_store.live_reader import LiveReader
from feature_store.online_store.live_records import LiveUpdate, ProductMinute, update_of
from feature_store.online_store.live_store import RETAINED_MINUTES, SPAN_FIELD, LiveStore, Mark, newest_of
from feature_store.online_store.reader import OnlineReader, connect
from shared_utils.errors import DataError, DependencyError
from shared_utils.records import Record
from tests.fakes.live_records import (
    CATEGORY_OF,
    NOON,
    TRACE,
    customer_event,
    history,
    product_event,
    received,
    record,
    touch,
    visit_event,
)
from tests.fakes.live_redis import content
from tests.fakes.serving_process import RedisProcess

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)
CATEGORIES = ProductCategories(
    np.array(sorted(CATEGORY_OF)), np.array([CATEGORY_OF[p] for p in sorted(CATEGORY_OF)], np.int32)
)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path_factory.mktemp("redis"))
    yield process
    process.stop()


@pytest.fixture
def redis(process: RedisProcess) -> Redis:
    process.client.flushall()
    return process.client


def updates(records: list[Record]) -> list[LiveUpdate]:
    return [update_of(received(sent, offset)) for offset, sent in enumerate(records)]


def day_and_more(seed: int) -> list[Record]:
    """Minutes of a few customers and products over 30 hours: old ones must go, in whatever order they come."""
    random_ = random.Random(seed)
    ages = [random_.randint(0, 30 * 60) for _ in range(150)]
    customers = [record(CUSTOMER_FEATURE, customer_event(age % 3 + 1, NOON - age * MINUTE, views=1)) for age in ages]
    products = [record(PRODUCT_FEATURE, product_event(age % 3 + 1, NOON - age * MINUTE, views=1)) for age in ages]
    return customers + products


def put_in_some_order(redis: Redis, everything: list[LiveUpdate], seed: int) -> dict[str, object]:
    """Repeated, shuffled, in batches of every size."""
    random_ = random.Random(seed)
    delivered = everything + random_.sample(everything, len(everything) // 2)
    random_.shuffle(delivered)
    redis.flushall()
    store, start = LiveStore(redis), 0
    while start < len(delivered):
        size = random_.choice((1, 2, 7, 300))
        store.put(delivered[start : start + size])
        start += size
    return content(redis)


@pytest.mark.parametrize("records", [history(5), day_and_more(5)], ids=["versions", "thirty hours"])
def test_order_and_repetition_change_nothing(redis: Redis, records: list[Record]) -> None:
    everything = updates(records)
    LiveStore(redis).put(everything)
    expected = content(redis)
    assert len(expected) > 3
    for seed in range(4):
        assert put_in_some_order(redis, everything, seed) == expected


def test_a_store_that_lets_the_last_one_win_is_seen(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    naive = live_store.PUT_CUSTOMERS.replace("not is_newer(held[2], blob)", "false")
    assert naive != live_store.PUT_CUSTOMERS
    everything = updates(history(5))
    LiveStore(redis).put(everything)
    expected = content(redis)
    monkeypatch.setattr(live_store, "PUT_CUSTOMERS", naive)
    monkeypatch.setitem(live_store._SHA, naive, redis.script_load(naive))  # type: ignore[arg-type]
    assert any(put_in_some_order(redis, everything, seed) != expected for seed in range(4))


@pytest.mark.parametrize(
    ("second", "winner"),
    [
        ((2, 0, 0), 2),  # a greater version
        ((1, 6, 0), 2),  # the same version, arrived later
        ((1, 5, 9), 2),  # at the same time, behind it in Kafka
        ((1, 5, 8), 1),  # the same record again
        ((1, 4, 9), 1),  # an older arrival
        ((0, 9, 9), 1),  # an older version that arrives late
    ],
)
def test_a_newer_record_wins_and_an_older_one_never(redis: Redis, second: tuple[int, int, int], winner: int) -> None:
    def update(views: int, version: int, arrival_ms: int, offset: int) -> LiveUpdate:
        event = customer_event(7, NOON, version=version, views=views)
        sent = record(CUSTOMER_FEATURE, event)
        return update_of(received(Record(sent.topic, sent.key, sent.value, arrival_ms), offset))

    store = LiveStore(redis)
    assert store.put([update(1, 1, 5, 8)]) == (1, 0)
    assert store.put([update(2, *second)]) == ((1, 0) if winner == 2 else (0, 1))
    live = LiveReader(redis).customer(7, NOON + MINUTE, CATEGORIES)
    assert live is not None
    assert live.values["customer_views_5m"] == winner


def test_a_corrected_visit_wins_by_arrival_and_an_older_one_never(redis: Redis) -> None:
    first = visit_event(7, NOON, views=1)
    older = visit_event(7, NOON - 60 * MINUTE, views=9)
    store, at = LiveStore(redis), datetime.fromisoformat(first["event_time"])
    sent = [
        record(SESSION_FEATURE, first, arrival=at),
        record(SESSION_FEATURE, {**first, "views": 2}, arrival=at + MINUTE),
        record(SESSION_FEATURE, older, arrival=at + 2 * MINUTE),
    ]
    for update in updates(sent):
        store.put([update])
    visit = OnlineReader(redis).read_now(7).visit
    assert visit is not None
    assert visit.views == 2


def test_old_minutes_go_and_keys_expire(redis: Redis) -> None:
    store = LiveStore(redis)
    for update in updates(day_and_more(1)):
        store.put([update])
    for customer in (1, 2, 3):
        key = record_key(LIVE_CUSTOMER, customer)
        minutes = [int(field) for field in redis.hkeys(key) if field != SPAN_FIELD]  # type: ignore[union-attr]
        assert max(minutes) - min(minutes) < RETAINED_MINUTES
        assert redis.ttl(key) > 24 * 3600  # type: ignore[operator]
    assert all(redis.ttl(key) > 0 for key in redis.scan_iter("shop:live_*"))  # type: ignore[operator]


def test_a_script_that_redis_forgot_is_loaded_again(redis: Redis) -> None:
    store, everything = LiveStore(redis), updates(history(2))
    store.put(everything[:10])
    redis.script_flush()
    store.put(everything)
    assert store.held(newest_of(everything)) == len(newest_of(everything))


def test_what_is_missing_or_older_is_not_held(redis: Redis) -> None:
    store, everything = LiveStore(redis), updates(history(2))
    wanted = newest_of(everything)
    store.put(wanted[1:])
    assert store.held(wanted) == len(wanted) - 1
    older = [update for update in everything if update not in wanted]
    redis.flushall()
    store.put(older)
    assert store.held(wanted) < len(wanted)


def test_the_top_products_are_exact_at_every_edge(redis: Redis) -> None:
    random_ = random.Random(3)
    events = [
        product_event(p, NOON + m * MINUTE, version=v, views=random_.randint(0, 4), adds=v, purchases=v // 2)
        for p in range(1, 30)
        for m in random_.sample(range(-70, 4), 12)
        for v in (1, 2)
    ]
    everything = updates([record(PRODUCT_FEATURE, event) for event in events])
    LiveStore(redis).put(everything)
    newest = [update for update in newest_of(everything) if isinstance(update, ProductMinute)]
    for now in (NOON, NOON + timedelta(seconds=1), NOON + timedelta(seconds=59.9), NOON + MINUTE):
        for window, length in (("5m", 5), ("1h", 60)):
            total: Counter[int] = Counter()
            for update in newest:
                start = datetime.fromtimestamp(update.minute * 60, NOON.tzinfo)
                if now - length * MINUTE <= start < now:
                    total[update.product_id] += update.activity
            expected = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:20]
            found = LiveReader(redis).top_products(now, window=window)
            assert [(product.product_id, product.activity) for product in found] == expected


def test_a_product_is_read_by_window(redis: Redis) -> None:
    sent = [product_event(9, NOON - age * MINUTE, views=1, spend_cents=10) for age in (1, 30, 600, 1460)]
    LiveStore(redis).put(updates([record(PRODUCT_FEATURE, event) for event in sent]))
    found = LiveReader(redis).product(9, NOON)
    assert found is not None
    assert [found[f"product_views_{w}"] for w in ("5m", "1h", "24h")] == [1, 2, 3]
    assert [found[f"product_spend_cents_{w}"] for w in ("5m", "1h", "24h")] == [10, 20, 30]
    assert LiveReader(redis).product(10, NOON) is None


def test_a_customer_is_one_round_trip(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    event = customer_event(3, NOON, views=2, products=[touch(1, NOON), touch(3, NOON + timedelta(seconds=5))])
    LiveStore(redis).put(
        updates([record(CUSTOMER_FEATURE, event), record(SESSION_FEATURE, visit_event(3, NOON - 60 * MINUTE, views=4))])
    )
    reader, sent = OnlineReader(redis), []
    send = AbstractConnection.send_packed_command

    def counted(self: AbstractConnection, command: object, check_health: bool = True) -> None:
        sent.append(command)
        send(self, command, check_health)

    reader.read_now(3)
    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    found = reader.read_now(3)
    assert len(sent) == 1
    live = found.live_features(NOON + timedelta(seconds=42), CATEGORIES)
    assert live is not None
    assert (live.values["customer_views_5m"], live.values["customer_categories_5m"]) == (2, 2)
    assert live.last_viewed_products == (3, 1)
    assert (live.last.event_id, live.last.traceparent) == (event["last_event_id"], TRACE)
    assert live.age_seconds == 1
    assert found.visit is not None
    assert found.visit.views == 4
    assert found.state is None


def test_a_customer_without_anything_is_nothing(redis: Redis) -> None:
    found = OnlineReader(redis).read_now(99)
    assert (found.state, found.minutes, found.visit) == (None, None, None)
    assert found.live_features(NOON, CATEGORIES) is None
    assert LiveReader(redis).customer(99, NOON, CATEGORIES) is None


def test_a_damaged_record_is_an_error_for_the_reader(redis: Redis) -> None:
    redis.hset(record_key(LIVE_CUSTOMER, 1), "29000000", b"\2damaged")
    redis.set(record_key(LIVE_VISIT, 2), b"damaged")
    for customer in (1, 2):
        with pytest.raises(DataError, match="rebuild_live"):
            OnlineReader(redis).read_now(customer)


def test_the_mark_says_whether_the_store_is_whole(redis: Redis) -> None:
    store = LiveStore(redis)
    assert store.mark() is Mark.EMPTY
    token = store.begin_filling()
    assert store.mark() is Mark.FILLING
    assert store.is_filling(token)
    redis.flushall()
    assert not store.is_filling(token, complete=True)
    assert store.mark() is Mark.EMPTY
    token = store.begin_filling()
    assert store.is_filling(token, complete=True)
    assert store.mark() is Mark.COMPLETE
    assert redis.ttl("shop:live_mark") == -1


def test_a_dead_redis_is_an_error() -> None:
    dead = connect("redis://127.0.0.1:1/0", 50)
    for call in (lambda: LiveStore(dead).put(updates(history(1))[:1]), LiveStore(dead).mark):
        with pytest.raises(DependencyError, match="does not take"):
            call()
    for read in (lambda: OnlineReader(dead).read_now(1), lambda: LiveReader(dead).top_products(NOON)):
        with pytest.raises(DependencyError, match="does not answer"):
            read()


def test_the_live_reader_imports_no_feast(tmp_path: Path) -> None:
    names = "('feast', 'pandas', 'deltalake', 'confluent_kafka')"
    check = f"import sys, feature_store.online_store.live_reader; sys.exit(any(m in sys.modules for m in {names}))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
