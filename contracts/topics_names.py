"""Typed names of the topics. A job holds no topic string of its own."""

from __future__ import annotations

from typing import Final

CLICK: Final = "shop.click.v1"
TRANSACTION: Final = "shop.transaction.v1"
PAYMENT: Final = "shop.payment.v1"
INVENTORY: Final = "shop.inventory.v1"
RECOMMENDATION_DECISION: Final = "decisions.recommendation.v1"
CUSTOMER_FEATURE: Final = "features.customer.v1"
PRODUCT_FEATURE: Final = "features.product.v1"
SESSION_FEATURE: Final = "features.session.v1"
FRAUD_ALERT: Final = "alerts.fraud_pattern.v1"

SHOP_TOPICS: Final = (CLICK, TRANSACTION, PAYMENT, INVENTORY)
EVENT_TOPICS: Final = (*SHOP_TOPICS, RECOMMENDATION_DECISION)
FEATURE_TOPICS: Final = (CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE)
TYPED_TOPICS: Final = (*EVENT_TOPICS, *FEATURE_TOPICS, FRAUD_ALERT)

_DLQ_SUFFIX: Final = ".dlq"
_LATE_SUFFIX: Final = ".late"


def dlq_name(topic: str) -> str:
    """The topic that takes the refused values of `topic`."""
    return topic + _DLQ_SUFFIX


def is_dlq(topic: str) -> bool:
    """Whether `topic` takes refused values."""
    return topic.endswith(_DLQ_SUFFIX)


def late_name(topic: str) -> str:
    """The topic that takes the events of `topic` which came too late for a window."""
    return topic + _LATE_SUFFIX


def is_late(topic: str) -> bool:
    """Whether `topic` takes late events."""
    return topic.endswith(_LATE_SUFFIX)
