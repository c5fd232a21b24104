"""What the topics hold, read with a consumer of the proofs' own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import confluent_kafka as kafka
import orjson

from contracts.topics_names import RECOMMENDATION_DECISION, SHOP_TOPICS
from data_sources.spool import SPOOL_ID_HEADER
from production_ops.proofs.ledger import Produced
from shared_utils.kafka_helpers import end_offsets, read_all, reader_config
from shared_utils.settings import KafkaSettings


def produced_records(settings: KafkaSettings, topics: Sequence[str] = SHOP_TOPICS) -> Iterator[Produced]:
    """Every record of the shop topics with its producer's number."""
    for topic in topics:
        for record in read_all(topic, settings):
            number = record.headers.get(SPOOL_ID_HEADER)
            yield Produced(topic, record.partition, record.offset, -1 if number is None else int(number))


def served_decisions(settings: KafkaSettings) -> list[dict[str, Any]]:
    """Every recommendation decision, in the topic's order."""
    records = read_all(RECOMMENDATION_DECISION, settings)
    return [orjson.loads(record.value) for record in records if record.value]


def unread(group: str, topics: Sequence[str], settings: KafkaSettings) -> int:
    """How many records of the topics lie behind the group's committed positions."""
    consumer = kafka.Consumer(reader_config(settings, group))
    try:
        left = 0
        for topic in topics:
            ends = end_offsets(topic, settings, consumer)
            asked = [kafka.TopicPartition(topic, number) for number in ends]
            for position in consumer.committed(asked, timeout=10):
                left += ends[position.partition] - max(position.offset, 0)
        return left
    finally:
        consumer.close()
