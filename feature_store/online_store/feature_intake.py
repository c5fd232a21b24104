"""Reads the feature topics in order, from where the lake ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, cast

import confluent_kafka as kafka
import structlog

from contracts.topics_names import FEATURE_TOPICS
from feature_store.online_store.archive import Place
from shared_utils.errors import DataError, DependencyError
from shared_utils.kafka_helpers import client_config, end_offsets, received
from shared_utils.records import Received
from shared_utils.settings import KafkaSettings

log = structlog.get_logger(__name__)

GROUP: Final = "feature-writer"
BATCH_RECORDS: Final = 2_000
_NEW_PARTITIONS_SECONDS: Final = 30.0
_CLIENT_KIB: Final = 16 * 1_024


class FeatureIntake:
    """All partitions of the feature topics, assigned by hand: no group to wait for, the lake knows the position.

    The group's offsets in Kafka only show the lag to whoever looks.
    """

    def __init__(self, settings: KafkaSettings, last_offset: Callable[[Place], int]) -> None:
        """Start after `last_offset` of each partition.

        Raises:
            DependencyError: the broker does not answer, or a topic is missing.
            DataError: the lake is ahead of Kafka: the topic was made anew.
        """
        self._settings = settings
        self._last_offset = last_offset
        self._next: dict[Place, int] = {}
        self._goal: dict[Place, int] = {}
        self._looked = time.monotonic()
        self._consumer = kafka.Consumer(
            {
                **client_config(settings, GROUP),
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",  # a position that Kafka does not have must stop the writer
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": _CLIENT_KIB,
            }
        )
        try:
            self._assign_new()
        except BaseException:
            self._consumer.close()
            raise

    def read(self, timeout_seconds: float) -> list[Received]:
        """What has come, in order within each partition; waits only while nothing is there.

        Raises:
            DataError: Kafka no longer has the position.
        """
        self._look_for_partitions()
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return []
        # Not `consume` with a timeout: it would wait for a full batch while a lone record is at hand.
        messages = [first, *self._consumer.consume(BATCH_RECORDS - 1, 0)]
        return [record for message in messages if (record := self._checked(message)) is not None]

    def positions(self) -> dict[Place, int]:
        """The next offset of each partition."""
        return dict(self._next)

    def is_drained(self) -> bool:
        """Whether all that was there at the start has been read."""
        return all(self._next.get(place, 0) >= end for place, end in self._goal.items())

    def commit(self, last_offsets: Mapping[Place, int]) -> None:
        """Show the lag in Kafka; not waited for, and a failure does no harm."""
        if last_offsets:
            marks = [kafka.TopicPartition(topic, n, offset + 1) for (topic, n), offset in last_offsets.items()]
            self._consumer.commit(offsets=marks, asynchronous=True)

    def close(self) -> None:
        """End the client."""
        self._consumer.close()

    def _checked(self, message: kafka.Message) -> Received | None:
        place = (cast(str, message.topic()), cast(int, message.partition()))
        error = message.error()
        if error is None:
            record = received(message)
            self._next[place] = record.offset + 1
            return record
        if error.code() == kafka.KafkaError._PARTITION_EOF:
            self._next[place] = max(self._next.get(place, 0), cast(int, message.offset()))
        elif error.code() in (kafka.KafkaError._AUTO_OFFSET_RESET, kafka.KafkaError.OFFSET_OUT_OF_RANGE):
            raise _position_lost(place, self._next.get(place, 0))
        else:  # the client reconnects by itself
            log.warning("feature_intake_waits_for_kafka", error=error.str())
        return None

    def _look_for_partitions(self) -> None:
        if time.monotonic() - self._looked < _NEW_PARTITIONS_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            self._assign_new()
        except DependencyError as exc:
            log.warning("feature_intake_waits_for_kafka", error=exc.message)

    def _assign_new(self) -> None:
        starts = []
        for topic in FEATURE_TOPICS:
            for number, end in end_offsets(topic, self._settings, self._consumer).items():
                place = (topic, number)
                if place in self._next:
                    continue
                first = self._last_offset(place) + 1
                if first > end:
                    raise _position_lost(place, first)
                self._next[place], self._goal[place] = first, end
                starts.append(kafka.TopicPartition(topic, number, first or kafka.OFFSET_BEGINNING))
        if starts:
            self._consumer.incremental_assign(starts)
            log.info("feature_intake_starts", **{f"{t.topic}/{t.partition}": t.offset for t in starts})


def _position_lost(place: Place, offset: int) -> DataError:
    return DataError(
        f"Kafka has no offset {offset} of {place[0]}/{place[1]}, up to which the lake holds records.",
        "The topic was made anew: move the lake's bronze feature tables away, or restore the topic.",
    )
