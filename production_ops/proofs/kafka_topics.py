"""What the topics hold, read with a consumer of the proofs' own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from contracts.topics_names import RECOMMENDATION_DECISION, SHOP_TOPICS
from data_sources.spool import SPOOL_ID_HEADER
from production_ops.proofs.ledger import Produced
from shared_utils.kafka_helpers import read_all
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
