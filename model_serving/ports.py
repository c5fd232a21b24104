"""What the serving core asks of the world. Each has a real adapter and one in memory (`tests/fakes/serving.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from feature_store.online_store.reader import CustomerNow, ProductTable
from ml_modeling.core.states import Float32Array, FloatArray
from shared_utils.records import Record


class Scorer(Protocol):
    """A model that scores rows in microseconds. Real: `ml_modeling.core.scorer`."""

    def score(self, matrix: Float32Array) -> FloatArray:
        """One score a row, higher is better. Shape: `(rows, features)` to `(rows,)`."""
        ...


class StateReader(Protocol):
    """Customers of the online store. Real: `feature_store.online_store.reader.OnlineReader`."""

    def read_now(self, customer_id: int) -> CustomerNow:
        """What is known of the customer, by night and by minute. Raises DependencyError, DataError."""
        ...


class ProductReader(Protocol):
    """The product table of the online store. Real: `OnlineReader`."""

    def product_table_version(self) -> str | None:
        """Its version, None when there is none. Raises DependencyError."""
        ...

    def read_product_table(self) -> ProductTable | None:
        """The table, None when there is none. Raises DependencyError, DataError."""
        ...


@dataclass(frozen=True, slots=True)
class StockView:
    """Products that may not be shown now."""

    out_of_stock: frozenset[int] = frozenset()
    banned: frozenset[int] = frozenset()


class ShopReader(Protocol):
    """What the shop decides outside the model. Real: `fastapi_server.feature_fetcher.RedisShopReader`."""

    def read_stock(self) -> StockView:
        """Products out of stock and banned. Raises DependencyError, DataError."""
        ...

    def read_popularity(self) -> bytes | None:
        """Best-seller lists newer than the model's, as `PopularityLists.to_json`; None when there are none."""
        ...


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A model version as the registry knows it. `source`: folder (or zip) of its bundle, as a path or URI."""

    name: str
    version: str
    source: str
    tags: Mapping[str, str]


class ModelRegistry(Protocol):
    """The MLflow registry, read only. Real: `model_serving.registry.{rest,sqlite}`."""

    def resolve(self, name: str, alias: str) -> RegisteredVersion | None:
        """The version behind an alias, None when the alias is not set. Raises DependencyError."""
        ...

    def fetch(self, version: RegisteredVersion, target: Path) -> None:
        """Write the version's bundle to `target`. Raises DependencyError, DataError."""
        ...


class DecisionSink(Protocol):
    """Where decision events go. Real: `shared_utils.kafka_helpers.Producer`."""

    def send(self, record: Record) -> None:
        """Take a record. Raises DependencyError: it is kept and goes first when the broker is back."""
        ...

    def poll(self) -> None:
        """Learn about deliveries. Raises DependencyError like `send`."""
        ...

    def close(self) -> None:
        """Deliver or keep everything. Raises DependencyError like `send`."""
        ...
