"""The feature store on real Redis and real Feast: one session applies and materializes once, the tests look at it."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from feast import FeatureStore
from redis import Redis

from feature_store.basket_memory import write_basket_memory
from feature_store.core.catalogue import load_catalogue
from feature_store.core.packing import Stamp, view_layout
from feature_store.core.product_table import pack_product_table
from feature_store.feature_repo.definitions import RECOMMENDER_ONLINE_V1, RECOMMENDER_V1
from feature_store.materialize import Materialization, main, materialize, parse_as_of
from feature_store.online_check import online_differences, stale_customers
from feature_store.online_store.keys import PRODUCT_TABLE_KEY, record_key
from feature_store.online_store.reader import CustomerState, OnlineReader, connect
from feature_store.online_store.writer import put_records, write_customer, write_product_table
from feature_store.snapshots import Snapshots, take_snapshots
from feature_store.store import open_store
from shared_utils.errors import ConfigurationError, DataError, DependencyError
from shared_utils.local_stack import LocalStack
from shared_utils.settings import LakeSettings, RedisSettings, Settings
from tests.fakes.gold_tables import AS_OF, CUSTOMERS, write_gold

pytestmark = [
    pytest.mark.integration,
    # Ibis 12 calls a method that DuckDB 2.0 renamed.
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast.*"),
]


class Online(NamedTuple):
    settings: Settings
    stack: LocalStack
    redis: Redis
    snapshots: Snapshots
    store: FeatureStore
    done: Materialization

    @property
    def reader(self) -> OnlineReader:
        return OnlineReader(self.redis)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Online]:
    root = tmp_path_factory.mktemp("features")
    write_gold(root / "lake")
    with LocalStack(root / "stack", ["redis"]) as stack:
        url = stack.settings_env()["SHOP_REDIS__URL"]
        settings = Settings(run_dir=root / "run", lake=LakeSettings(root=root / "lake"), redis=RedisSettings(url=url))
        done = materialize(settings, AS_OF)
        snapshots = take_snapshots(settings.lake.root, settings.run_dir)
        store = open_store(settings.run_dir, url, snapshots, AS_OF)
        yield Online(settings, stack, connect(url, 5_000), snapshots, store, done)


@pytest.fixture
def online(filled: Online) -> Iterator[Online]:
    """The filled store; what a test plants is taken back."""
    held = {key: filled.redis.get(key) for key in filled.redis.scan_iter("shop:*")}
    yield filled
    filled.redis.flushdb()
    filled.redis.mset(held)  # type: ignore[arg-type]


def test_hot_path_feast_and_lake_agree_on_every_feature_of_every_customer(online: Online) -> None:
    assert online_differences(online.store, online.reader, online.snapshots, AS_OF, CUSTOMERS) == []
    assert stale_customers(online.redis, write_basket_memory(online.snapshots, AS_OF)) == []


def _rewrite(online: Online, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    layout, key = view_layout(load_catalogue().view(name)), record_key(name, 1)
    stamp, values = layout.unpack(online.redis.get(key))  # type: ignore[arg-type]
    named = dict(zip((field.name for field in layout.fields), values, strict=True))
    online.redis.set(key, layout.pack(stamp, change(named)))


@pytest.mark.parametrize(
    ("view", "feature", "factor"),
    [
        ("customer_features", "customer_spend_cents_28d", 100),
        ("customer_features", "customer_orders_7d", 0),
        ("customer_basket_memory", "memory_spend_cents_sum", 100),
        ("customer_basket_memory", "memory_orders_decayed_30d", 1 + 1e-15),
    ],
)
def test_a_changed_unit_or_a_default_is_found(online: Online, view: str, feature: str, factor: float) -> None:
    _rewrite(online, view, lambda v: {**v, feature: v[feature] * factor})
    found = online_differences(online.store, online.reader, online.snapshots, AS_OF, CUSTOMERS)
    assert {(d.customer_id, d.feature, d.side) for d in found} == {(1, feature, s) for s in ("hot path", "feast")}


def test_a_stale_store_is_found(online: Online) -> None:
    tomorrow = AS_OF + timedelta(days=1)
    yesterday = AS_OF - timedelta(days=1)
    online.redis.flushdb()
    store = open_store(online.settings.run_dir, online.settings.redis.url, online.snapshots, yesterday)
    assert stale_customers(online.redis, write_basket_memory(online.snapshots, AS_OF)) == list(CUSTOMERS)
    materialize(online.settings, yesterday)
    assert stale_customers(online.redis, write_basket_memory(online.snapshots, yesterday)) == []
    assert stale_customers(online.redis, write_basket_memory(online.snapshots, AS_OF)) != []
    found = online_differences(store, online.reader, online.snapshots, AS_OF, CUSTOMERS)
    assert {d.customer_id for d in found} == set(CUSTOMERS)
    assert online_differences(store, online.reader, online.snapshots, yesterday, CUSTOMERS) == []
    state = online.reader.read(1)
    assert state is not None
    assert state.features_as_of <= yesterday < tomorrow


def test_materializing_again_or_an_older_day_changes_nothing(online: Online) -> None:
    before = {key: online.redis.get(key) for key in online.redis.scan_iter("shop:*")}
    again = materialize(online.settings, AS_OF)
    assert dataclasses.replace(again, seconds={}) == dataclasses.replace(online.done, seconds={})
    assert materialize(online.settings, AS_OF - timedelta(days=5)).kept_newer
    assert {key: online.redis.get(key) for key in online.redis.scan_iter("shop:*")} == before


def test_the_state_of_a_customer(online: Online) -> None:
    state = online.reader.read(3)
    assert isinstance(state, CustomerState)
    assert (state.customer_id, state.torn) == (3, False)
    assert set(state.customer) == set(load_catalogue().view("customer_features").columns)
    assert state.as_of_day == state.customer["day"] + 1
    assert all(len(array) == len(state.pairs["product_id"]) for array in state.pairs.values())
    assert (np.diff(state.pairs["product_id"]) > 0).all()
    assert state.pairs["orders_decayed_7d"].dtype == np.float64


def test_an_unknown_customer_is_none_and_half_a_customer_is_an_error(online: Online) -> None:
    assert online.reader.read(999) is None
    online.redis.delete(record_key("customer_features", 1))
    with pytest.raises(DataError, match="in part"):
        online.reader.read(1)


def test_parts_of_different_days_are_marked(online: Online) -> None:
    key = record_key("customer_basket_memory", 1)
    layout = view_layout(load_catalogue().view("customer_basket_memory"))
    stamp, values = layout.unpack(online.redis.get(key))  # type: ignore[arg-type]
    older = Stamp(stamp.event_us - 86_400_000_000, stamp.created_us)
    online.redis.set(key, layout.pack(older, dict(zip((f.name for f in layout.fields), values, strict=True))))
    state = online.reader.read(1)
    assert state is not None
    assert state.torn
    assert state.event_timestamp_us == older.event_us


def test_every_product_of_every_customer_is_in_the_product_table(online: Online) -> None:
    table = online.reader.read_product_table()
    assert table is not None
    assert table.version == online.reader.product_table_version() == online.done.product_table_version
    for customer in CUSTOMERS:
        state = online.reader.read(customer)
        assert state is not None
        assert set(state.pairs["product_id"]) <= set(table.columns["product_id"])


def test_an_empty_store_has_no_product_table(online: Online) -> None:
    online.redis.delete(PRODUCT_TABLE_KEY)
    assert online.reader.product_table_version() is None
    assert online.reader.read_product_table() is None


def _pairs(value: int) -> dict[str, Any]:
    return {column: [value] for column in load_catalogue().view("customer_basket_memory").columns}


def _customer(value: int) -> dict[str, Any]:
    return dict.fromkeys(load_catalogue().view("customer_features").columns, value)


@pytest.mark.parametrize(
    ("second", "winner"),
    [
        (Stamp(2_000, 0), 2),  # newer event
        (Stamp(1_000, 600), 2),  # correction of the same event
        (Stamp(1_000, 500), 2),  # the same run again
        (Stamp(1_000, 499), 1),  # an older state of knowledge
        (Stamp(999, 9_000), 1),  # an older event that arrives late
    ],
)
def test_a_write_never_takes_the_place_of_a_newer_one(online: Online, second: Stamp, winner: int) -> None:
    assert write_customer(online.redis, 77, Stamp(1_000, 500), _customer(1), _pairs(1)) == (2, 0)
    counts = write_customer(online.redis, 77, second, _customer(2), _pairs(2))
    assert counts == ((2, 0) if winner == 2 else (0, 2))
    state = online.reader.read(77)
    assert state is not None
    assert state.customer["orders_7d"] == winner
    assert state.pairs["orders_count"].tolist() == [winner]


def test_a_record_of_another_layout_gives_way(online: Online) -> None:
    key = record_key("customer_features", 77)
    layout = view_layout(load_catalogue().view("customer_features"))
    values = dict.fromkeys((f.name for f in layout.fields), 1)
    other = dataclasses.replace(layout, fields=tuple(reversed(layout.fields)))
    put_records(online.redis, [(key, other.pack(Stamp(9_000, 0), values))])
    assert put_records(online.redis, [(key, layout.pack(Stamp(1_000, 0), values))]) == (1, 0)


def test_a_blob_of_another_layout_is_an_error_for_the_reader(online: Online) -> None:
    online.redis.set(record_key("customer_features", 1), b"SHOP" + bytes(60))
    online.redis.set(PRODUCT_TABLE_KEY, b"SHOP" + bytes(60))
    for read in (lambda: online.reader.read(1), online.reader.product_table_version, online.reader.read_product_table):
        with pytest.raises(DataError, match="another layout"):
            read()


def test_a_dead_or_frozen_redis_is_an_error_within_the_deadline(online: Online) -> None:
    frozen = OnlineReader(connect(online.settings.redis.url, 50))
    assert frozen.read(1) is not None
    online.stack.pause("redis")
    try:
        started = time.perf_counter()
        with pytest.raises(DependencyError, match="does not answer"):
            frozen.read(1)
        assert time.perf_counter() - started < 0.5
    finally:
        online.stack.resume("redis")
    dead = OnlineReader(connect("redis://127.0.0.1:1/0", 50))
    for read in (lambda: dead.read(1), dead.product_table_version, dead.read_product_table):
        with pytest.raises(DependencyError, match="does not answer"):
            read()
    with pytest.raises(DependencyError, match="does not take writes"):
        put_records(connect("redis://127.0.0.1:1/0", 50), [("k", b"v")])
    with pytest.raises(DependencyError, match="does not answer"):
        materialize(online.settings.model_copy(update={"redis": RedisSettings(url="redis://127.0.0.1:1/0")}), AS_OF)


def test_a_read_is_one_round_trip_and_fast(online: Online) -> None:
    many = 2_000
    pairs = {column: np.arange(many) for column in load_catalogue().view("customer_basket_memory").columns}
    write_customer(online.redis, 88, Stamp(1_000, 500), _customer(1), pairs)
    before = online.redis.info("commandstats")["cmdstat_mget"]["calls"]
    seconds = []
    for _ in range(200):
        started = time.perf_counter()
        online.reader.read(88)
        seconds.append(time.perf_counter() - started)
    assert online.redis.info("commandstats")["cmdstat_mget"]["calls"] - before == 200
    assert statistics.median(seconds) < 0.005


def test_the_reader_imports_no_feast() -> None:
    check = (
        "import sys, feature_store.online_store.reader; sys.exit(any(m in sys.modules for m in ('feast', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_dropped_view_takes_its_records_with_it(online: Online) -> None:
    view = online.store.get_feature_view("customer_basket_memory")
    provider_store = online.store._get_provider().online_store
    provider_store.update(online.store.config, [view], [], [], [], partial=True)
    assert not list(online.redis.scan_iter("shop:customer_basket_memory:*"))
    assert list(online.redis.scan_iter("shop:customer_features:*"))
    provider_store.teardown(online.store.config, [online.store.get_feature_view("customer_features")], [])
    assert not list(online.redis.scan_iter("shop:customer_features:*"))


def test_the_registry_knows_the_catalogue(online: Online) -> None:
    for view in (view for view in load_catalogue().views if view.feast):
        known = online.store.get_feature_view(view.name)
        assert tuple(f.name for f in known.features) == view.feature_names
        assert known.online == view.online
        assert known.owner == view.owner
    assert {s.name for s in online.store.list_feature_services()} == {RECOMMENDER_V1, RECOMMENDER_ONLINE_V1}


def test_the_command_prints_what_it_did(
    online: Online, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("feature_store.materialize.load_settings", lambda: online.settings)
    assert main(["--as-of", f"{AS_OF:%Y-%m-%d}"]) == 0
    assert f"{len(CUSTOMERS)} customers" in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="not a date"):
        parse_as_of("yesterday")


def test_lost_records_fail_the_materialization(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    online.redis.flushdb()
    monkeypatch.setattr("feature_store.materialize.materialize_customers", lambda *_: None)
    with pytest.raises(DataError, match="not online after"):
        materialize(online.settings, AS_OF)


def test_an_older_product_table_gives_way(online: Online) -> None:
    table = online.reader.read_product_table()
    assert table is not None
    none = np.array([], dtype=np.int64)
    neighbours = {"product_id": none, "neighbour_product_id": none, "score": none}
    blob = pack_product_table(Stamp(table.event_timestamp_us - 1, 0), table.columns, neighbours)
    assert write_product_table(online.redis, blob) == (0, 1)
    assert online.reader.product_table_version() == table.version


def test_the_rendered_configuration_is_private(online: Online) -> None:
    path = Path(online.settings.run_dir) / "feature_store" / "repo" / "feature_store.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
