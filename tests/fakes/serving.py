"""A small shop in memory for the serving tests: products, customers, a linear model, a registry and a sink."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from feature_store.core.live_windows import CustomerMinutes
from feature_store.core.packing import Stamp
from feature_store.core.product_table import ProductTable, pack_product_table, product_columns, unpack_product_table
from feature_store.core.stamps import us_of
from feature_store.online_store.reader import CustomerNow, CustomerState
from ml_modeling.core.bundle import CHECKSUM_TAG, Manifest, ModelBundle, PopularityLists, golden
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.states import Float32Array, FloatArray
from model_serving.fastapi_server.bootstrap import Adapters
from model_serving.ports import RegisteredVersion, StockView
from shared_utils.errors import DataError, DependencyError
from shared_utils.records import Record
from shared_utils.settings import Settings
from shared_utils.time_utils import day_start, epoch_day

NOW = datetime(2026, 11, 9, 6, tzinfo=UTC)
AS_OF = datetime(2026, 11, 9, tzinfo=UTC)
DAY = epoch_day(AS_OF)
PRODUCTS = 400
KNOWN_CUSTOMERS = range(1, 21)
UNKNOWN_CUSTOMER = 999_999
MODEL_NAME = "recommender"


class LinearScorer:
    """Score = features times weights. Slow, broken or blocking on demand."""

    def __init__(self, weights: FloatArray) -> None:
        self.weights = weights
        self.before: Callable[[], None] = lambda: None

    def score(self, matrix: Float32Array) -> FloatArray:
        self.before()
        # Row by row and not by BLAS: equal rows must give equal scores, whatever stands beside them.
        return np.asarray((matrix.astype(np.float64) * self.weights).sum(axis=1))


def load_linear(bundle: ModelBundle) -> LinearScorer:
    try:
        return LinearScorer(np.array(json.loads(bundle.scorer), dtype=np.float64))
    except ValueError as exc:
        raise DataError("The scorer is damaged.", "Train again.") from exc


def stamp(as_of: datetime = AS_OF) -> Stamp:
    return Stamp(us_of(as_of), us_of(as_of))


def product_ids(n: int = PRODUCTS) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.arange(n, dtype=np.int64) * 7 + 1001


def product_blob(seed: int = 1, n: int = PRODUCTS, as_of: datetime = AS_OF, *, paired: int = 13_343) -> bytes:
    """A product table; the first `paired` products have co-purchase neighbours (as many as in Complete Journey)."""
    rng, day = np.random.default_rng(seed), epoch_day(as_of)
    orders = rng.integers(20, 900, n)
    values: dict[str, Any] = {
        "product_id": product_ids(n),
        "first_day": np.full(n, day - 300),
        "last_day": day - rng.integers(1, 20, n),
        "orders_count": orders,
        "buyers_count": orders // 2 + 1,
        "repeat_buyers_count": orders // 5,
        "quantity_sum": orders * 2,
        "spend_cents_sum": orders * rng.integers(99, 999, n),
        "discounted_orders_count": orders // 3,
        "department_code": rng.integers(0, 8, n),
        "category_code": rng.integers(0, 40, n),
        "type_code": rng.integers(0, 90, n),
        "brand_private_code": rng.integers(0, 2, n),
        "promo_mailer_share": rng.random(n),
        "promo_display_share": rng.random(n),
    }
    for half_life in (7, 30, 90):
        values[f"orders_decayed_{half_life}d"] = orders * half_life / 365 * rng.random(n)
    columns = {name: np.asarray(values[name]).astype(dtype) for name, dtype in product_columns().items()}
    paired = min(paired, n)
    ids = np.repeat(product_ids(paired), 5)
    others = product_ids(paired)[(np.repeat(np.arange(paired), 5) + np.tile(np.arange(1, 6), paired)) % paired]
    score = np.tile(np.array([0.5, 0.4, 0.3, 0.2, 0.1], dtype=np.float32), paired)
    neighbours = {"product_id": ids, "neighbour_product_id": others, "score": score}
    return pack_product_table(stamp(as_of), columns, neighbours)


def customer_columns(customer_id: int, as_of: datetime = AS_OF) -> dict[str, int]:
    rng, day = np.random.default_rng(customer_id), epoch_day(as_of)
    orders = int(rng.integers(20, 90))
    return {
        "day": day - 1,
        "first_order_day": day - 280,
        "last_order_day": day - int(rng.integers(1, 9)),
        "orders_count": orders,
        "order_days_count": orders - 2,
        "lines_count": orders * int(rng.integers(3, 18)),
        "orders_7d": 1,
        "orders_28d": 5,
        "orders_91d": 15,
        "spend_cents_28d": int(rng.integers(1000, 50_000)),
        "spend_cents_91d": int(rng.integers(50_000, 150_000)),
        "lines_91d": 150,
        "discounted_lines_91d": 60,
    }


def pair_columns(customer_id: int, as_of: datetime = AS_OF, n: int = PRODUCTS, pairs: int = 120) -> dict[str, Any]:
    rng, day = np.random.default_rng(customer_id + 10_000), epoch_day(as_of)
    bought = np.sort(rng.choice(product_ids(n), min(pairs, n), replace=False))
    size = len(bought)
    orders = rng.integers(1, 12, size).astype(np.int32)
    last = (day - rng.integers(1, 120, size)).astype(np.int32)
    return {
        "product_id": bought,
        "first_day": last - 100,
        "last_day": last,
        "orders_count": orders,
        "days_count": orders,
        "quantity_sum": orders.astype(np.int64) * 2,
        "spend_cents_sum": orders.astype(np.int64) * 450,
        "discounted_orders_count": orders // 2,
        "orders_decayed_7d": orders * 0.1,
        "orders_decayed_30d": orders * 0.4,
        "orders_decayed_90d": orders * 0.7,
        "customer_orders_before_first": np.full(size, 3, dtype=np.int32),
        "customer_orders_at_last": np.full(size, 15, dtype=np.int32),
    }


def customer_state(customer_id: int, as_of: datetime = AS_OF, *, torn: bool = False) -> CustomerState:
    us = us_of(as_of)
    return CustomerState(
        customer_id, us, us, customer_columns(customer_id, as_of), pair_columns(customer_id, as_of), torn
    )


class FakeStore:
    """The online store: answers, fails or hangs. Implements StateReader, ProductReader and ShopReader."""

    def __init__(self) -> None:
        self.states = {customer: customer_state(customer) for customer in KNOWN_CUSTOMERS}
        self.minutes: dict[int, CustomerMinutes] = {}
        self.table: ProductTable | None = unpack_product_table(product_blob())
        self.stock = StockView()
        self.popularity: bytes | None = None
        self.failure: DependencyError | DataError | None = None
        self.gate: threading.Event | None = None
        self.reads = 0

    def read_now(self, customer_id: int) -> CustomerNow:
        self.reads += 1
        self._answer()
        return CustomerNow(self.states.get(customer_id), self.minutes.get(customer_id), None)

    def product_table_version(self) -> str | None:
        self._answer()
        return None if self.table is None else self.table.version

    def read_product_table(self) -> ProductTable | None:
        self._answer()
        return self.table

    def read_stock(self) -> StockView:
        self._answer()
        return self.stock

    def read_popularity(self) -> bytes | None:
        self._answer()
        return self.popularity

    def break_down(self) -> None:
        self.failure = DependencyError("The online store does not answer (planted).", "Mend it.")

    def flush(self) -> None:
        self.states, self.table = {}, None

    def _answer(self) -> None:
        if self.gate is not None:
            self.gate.wait(5)
        if self.failure is not None:
            raise self.failure


def popularity(segments: int = 4, length: int = 60) -> PopularityLists:
    rng = np.random.default_rng(5)
    ids = np.stack([rng.choice(product_ids(), length, replace=False) for _ in range(segments)])
    score = np.sort(rng.random((segments, length)).astype(np.float32))[:, ::-1]
    return PopularityLists(ids, np.ascontiguousarray(score))


def make_bundle(seed: int = 1, **changes: Any) -> ModelBundle:
    """A linear model; `changes` replace manifest fields (planted faults)."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=len(FEATURE_NAMES)) / 100
    rows = rng.random((8, len(FEATURE_NAMES)), dtype=np.float32) * 50
    fields: dict[str, Any] = {
        "name": MODEL_NAME,
        "feature_set": "recommender_v1",
        "feature_names": FEATURE_NAMES,
        "scorer_format": "linear-json",
        "trained_at": day_start(DAY),
        "data_versions": {"gold.product_features": 3},
        **golden(rows, LinearScorer(weights).score(rows)),
        **changes,
    }
    labels = {int(product): (f"Product {product}", "Groceries") for product in product_ids()[:200]}
    return ModelBundle(Manifest(**fields), json.dumps(weights.tolist()).encode(), popularity(), labels)


@dataclass
class FakeRegistry:
    """Versions in a folder, one alias, and a switch that turns it off."""

    folder: Path
    alias: str | None = None
    down: bool = False
    fetches: int = 0
    versions: dict[str, RegisteredVersion] = field(default_factory=dict)

    def register(self, bundle: ModelBundle, *, checksum: str | None = None, champion: bool = True) -> str:
        version = str(len(self.versions) + 1)
        path = self.folder / f"v{version}.zip"
        digest = bundle.write(path)
        self.versions[version] = RegisteredVersion(MODEL_NAME, version, str(path), {CHECKSUM_TAG: checksum or digest})
        if champion:
            self.alias = version
        return version

    def resolve(self, name: str, alias: str) -> RegisteredVersion | None:
        self._answer()
        return self.versions.get(self.alias or "") if (name, alias) == (MODEL_NAME, "champion") else None

    def fetch(self, version: RegisteredVersion, target: Path) -> None:
        self._answer()
        self.fetches += 1
        target.write_bytes(Path(version.source).read_bytes())

    def _answer(self) -> None:
        if self.down:
            raise DependencyError("The registry does not answer (planted).", "Start it.")


class FakeSink:
    """Kafka in a list; keeps apart what it was told to refuse."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.kept: list[Record] = []
        self.closed = False
        self.down = False
        self.gate: threading.Event | None = None

    def send(self, record: Record) -> None:
        if self.gate is not None:
            self.gate.wait(5)
        if self.down:
            self.kept.append(record)
            raise DependencyError("Kafka does not answer (planted).", "Start it.")
        self.records += [*self.kept, record]
        self.kept = []

    def poll(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True


@dataclass
class World:
    """Everything a serving process talks to, in memory."""

    settings: Settings
    store: FakeStore
    registry: FakeRegistry
    sink: FakeSink

    @property
    def adapters(self) -> Adapters:
        return Adapters(self.store, self.store, self.store, self.registry, load_linear, lambda: self.sink)


def make_world(folder: Path, **serving: Any) -> World:
    defaults = {
        "model_cache_dir": folder / "cache",
        "fixed_now": NOW,
        "alias_poll_seconds": 60,
        "store_poll_seconds": 60,
    }
    settings = Settings(env="test", serving={**defaults, **serving})
    registry = FakeRegistry(folder)
    registry.register(make_bundle())
    return World(settings, FakeStore(), registry, FakeSink())
