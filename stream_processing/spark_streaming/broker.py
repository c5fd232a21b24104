"""Asks the broker for the topics before Spark does, which would wait a minute and say less."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shared_utils.errors import DependencyError
from shared_utils.settings import KafkaSettings


def require_topics(names: Iterable[str], kafka: KafkaSettings) -> None:
    """Pass when the broker answers and has the topics.

    Raises:
        DependencyError: it does not answer in time, or a topic does not exist.
    """
    client = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    try:
        present = client.list_topics(timeout=kafka.delivery_timeout_ms / 1000).topics
    except KafkaException as exc:
        raise DependencyError(
            f"Kafka at {kafka.bootstrap_servers} does not answer: {exc}.",
            "Start it, or correct SHOP_KAFKA__BOOTSTRAP_SERVERS.",
        ) from exc
    if missing := sorted(set(names) - set(present)):
        raise DependencyError(
            f"Kafka at {kafka.bootstrap_servers} has no topic {', '.join(missing)}.",
            "Run `python -m ingestion_layer.kafka.topics.create_topics`.",
        )
