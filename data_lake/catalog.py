"""Every table of the lake as a typed constant: name, grain, partitioning, owner, retention.

A job holds no table name and no path: it asks `TABLE.path(lake_root)`. Each table is one Delta folder,
`<root>/<layer>/<name>`. "day" is the UTC date of `event_time`; money is integer cents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from contracts import topics_names as topics
from data_lake.storage import LakeRoot
from shared_utils.settings import REPO_ROOT

Layer = Literal["bronze", "silver", "gold"]

DATA_PLATFORM = "data-platform"
MACHINE_LEARNING = "machine-learning"

SOURCE_KAFKA = "kafka"
"""`source` of a bronze row that came through Kafka."""


@dataclass(frozen=True)
class Table:
    """One Delta table. `key` is its grain: no two rows agree on it. `retention_days` None keeps rows for good."""

    name: str
    layer: Layer
    key: tuple[str, ...]
    partition_by: tuple[str, ...]
    owner: str
    retention_days: int | None
    description: str

    @property
    def full_name(self) -> str:
        """`layer.name`, as people and metrics call the table."""
        return f"{self.layer}.{self.name}"

    def path(self, lake_root: LakeRoot) -> str:
        """The table's folder under `lake_root`; a relative root hangs on the repository, not on the working folder."""
        root = REPO_ROOT / lake_root if isinstance(lake_root, Path) else lake_root
        return str(root / self.layer / self.name)


_COORDINATES = ("topic", "partition", "offset")


def _bronze(name: str, description: str) -> Table:
    return Table(name, "bronze", _COORDINATES, ("ingest_date",), DATA_PLATFORM, 730, description)


def _silver(name: str, key: tuple[str, ...], description: str, *, by_day: bool = True) -> Table:
    return Table(name, "silver", key, ("event_date",) if by_day else (), DATA_PLATFORM, None, description)


def _gold(name: str, key: tuple[str, ...], partition_by: tuple[str, ...], owner: str, description: str) -> Table:
    return Table(name, "gold", key, partition_by, owner, None, description)


BRONZE_CLICK = _bronze("click", "Click events as received.")
BRONZE_TRANSACTION = _bronze("transaction", "Transaction events as received, from Kafka and from the POS archive.")
BRONZE_PAYMENT = _bronze("payment", "Payment attempts as received.")
BRONZE_INVENTORY = _bronze("inventory", "Stock changes as received.")
BRONZE_RECOMMENDATION_DECISION = _bronze("recommendation_decision", "Served recommendation decisions as received.")
BRONZE_CUSTOMER_FEATURE = _bronze("customer_feature", "Live features of customers by minute, as served.")
BRONZE_PRODUCT_FEATURE = _bronze("product_feature", "Live features of products by minute, as served.")
BRONZE_SESSION_FEATURE = _bronze("session_feature", "Closed visits, as served.")
QUARANTINE = _bronze("quarantine", "Refused events of every topic, as received, with reason and detail.")

SILVER_CLICK = _silver("click", ("event_id",), "Clicks, typed, first wins by event_id.")
TRANSACTION_LINE = _silver(
    "transaction_line",
    ("basket_id", "line_number"),
    "Basket lines joined with the product and the week's promotion at the store.",
)
SILVER_PAYMENT = _silver("payment", ("event_id",), "Payment attempts, typed, first wins by event_id.")
SILVER_INVENTORY = _silver("inventory", ("event_id",), "Stock changes, typed, first wins by event_id.")
SILVER_RECOMMENDATION_DECISION = _silver(
    "recommendation_decision", ("event_id",), "Served decisions with the feature values they were made on."
)
LATE_EVENT = _silver("late_event", _COORDINATES, "Valid events that arrived later than the allowed lateness.")
DUPLICATE_EVENT = _silver("duplicate_event", _COORDINATES, "Second arrivals of an event_id with the same payload.")
PRODUCT = _silver("product", ("product_id",), "The product dimension.", by_day=False)
PROMOTION = Table(
    "promotion",
    "silver",
    ("product_id", "store_id", "week_start"),
    ("week_start",),
    DATA_PLATFORM,
    None,
    "Where a product was displayed in a store and mailed, by shop week (week_start is its Monday).",
)

DAILY_CUSTOMER = _gold(
    "daily_customer", ("customer_id", "event_date"), ("event_date",), DATA_PLATFORM, "A customer's day of shopping."
)
DAILY_PRODUCT_VIEWS = _gold(
    "daily_product_views", ("product_id", "event_date"), ("event_date",), DATA_PLATFORM, "A product's day on the site."
)
DAILY_PRODUCT_SALES = _gold(
    "daily_product_sales", ("product_id", "event_date"), ("event_date",), DATA_PLATFORM, "A product's day at the till."
)
CUSTOMER_PROFILE = _gold("customer_profile", ("customer_id",), (), DATA_PLATFORM, "What is known of a customer today.")
CUSTOMER_FEATURES = _gold(
    "customer_features",
    ("customer_id", "event_timestamp"),
    ("event_date",),
    MACHINE_LEARNING,
    "A customer as of the close of a day.",
)
PRODUCT_FEATURES = _gold(
    "product_features",
    ("product_id", "event_timestamp"),
    ("event_date",),
    MACHINE_LEARNING,
    "A product as of the close of a day.",
)
CUSTOMER_PRODUCT_FEATURES = _gold(
    "customer_product_features",
    ("customer_id", "product_id", "event_timestamp"),
    ("event_date",),
    MACHINE_LEARNING,
    "A customer and a product as of the close of a day on which the one bought the other.",
)
PRODUCT_COPURCHASE = _gold(
    "product_copurchase",
    ("snapshot_day", "product_id", "rank"),
    ("snapshot_day",),
    MACHINE_LEARNING,
    "The products most bought together with a product, by snapshot.",
)
PRODUCT_PROMOTION_WEEK = _gold(
    "product_promotion_week",
    ("product_id", "week_start"),
    (),
    MACHINE_LEARNING,
    "The share of stores in which a product is mailed or displayed in a shop week; planned, so known in advance.",
)

TABLES: tuple[Table, ...] = (
    BRONZE_CLICK,
    BRONZE_TRANSACTION,
    BRONZE_PAYMENT,
    BRONZE_INVENTORY,
    BRONZE_RECOMMENDATION_DECISION,
    BRONZE_CUSTOMER_FEATURE,
    BRONZE_PRODUCT_FEATURE,
    BRONZE_SESSION_FEATURE,
    QUARANTINE,
    SILVER_CLICK,
    TRANSACTION_LINE,
    SILVER_PAYMENT,
    SILVER_INVENTORY,
    SILVER_RECOMMENDATION_DECISION,
    LATE_EVENT,
    DUPLICATE_EVENT,
    PRODUCT,
    PROMOTION,
    DAILY_CUSTOMER,
    DAILY_PRODUCT_VIEWS,
    DAILY_PRODUCT_SALES,
    CUSTOMER_PROFILE,
    CUSTOMER_FEATURES,
    PRODUCT_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    PRODUCT_COPURCHASE,
    PRODUCT_PROMOTION_WEEK,
)

BRONZE_OF_TOPIC: Mapping[str, Table] = MappingProxyType(
    {
        topics.CLICK: BRONZE_CLICK,
        topics.TRANSACTION: BRONZE_TRANSACTION,
        topics.PAYMENT: BRONZE_PAYMENT,
        topics.INVENTORY: BRONZE_INVENTORY,
        topics.RECOMMENDATION_DECISION: BRONZE_RECOMMENDATION_DECISION,
    }
)
BRONZE_OF_FEATURE_TOPIC: Mapping[str, Table] = MappingProxyType(
    {
        topics.CUSTOMER_FEATURE: BRONZE_CUSTOMER_FEATURE,
        topics.PRODUCT_FEATURE: BRONZE_PRODUCT_FEATURE,
        topics.SESSION_FEATURE: BRONZE_SESSION_FEATURE,
    }
)
"""Archived by the online store's writer; `ingest_time` is when the record stood in Redis."""
SILVER_OF_TOPIC: Mapping[str, Table] = MappingProxyType(
    {
        topics.CLICK: SILVER_CLICK,
        topics.TRANSACTION: TRANSACTION_LINE,
        topics.PAYMENT: SILVER_PAYMENT,
        topics.INVENTORY: SILVER_INVENTORY,
        topics.RECOMMENDATION_DECISION: SILVER_RECOMMENDATION_DECISION,
    }
)
