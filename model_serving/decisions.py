"""Every answer becomes a `decisions.recommendation.v1` event, off the hot path.

A request leaves its ranking in a bounded queue; one background thread writes the JSON and hands it to the producer,
which keeps on disk what Kafka does not take. Only an overflowing queue loses a decision, and it is counted.
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
import structlog

from contracts.topics_names import RECOMMENDATION_DECISION
from model_serving.core.ranking import Ranking
from model_serving.metrics import ServingMetrics
from model_serving.ports import DecisionSink
from shared_utils.errors import DataError, DependencyError
from shared_utils.records import Record
from shared_utils.time_utils import Clock, to_rfc3339

log = structlog.get_logger(__name__)

CAPACITY = 20_000
_IDLE_SECONDS = 0.5
_Entry = tuple[Ranking, datetime]


class DecisionPublisher:
    """Publishes rankings from a thread of its own. `open_sink` is called in that thread: a producer belongs to one."""

    def __init__(
        self, open_sink: Callable[[], DecisionSink], clock: Clock, metrics: ServingMetrics, capacity: int = CAPACITY
    ) -> None:
        self._open_sink = open_sink
        self._clock = clock
        self._metrics = metrics
        self._queue: queue.Queue[_Entry | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._run, name="decisions", daemon=True)

    def start(self) -> None:
        """Begin publishing."""
        self._thread.start()

    def offer(self, ranking: Ranking) -> None:
        """Take a ranking without waiting; a full queue drops and counts it."""
        try:
            self._queue.put_nowait((ranking, self._clock()))
            self._metrics.decisions_queued.inc()
        except queue.Full:
            self._metrics.decisions_dropped.inc()

    def close(self) -> None:
        """Publish what is queued, then deliver or keep it all."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        sink = self._open_sink()
        while (entry := self._next(sink)) is not None:
            self._guarded(lambda: sink.send(to_record(*entry)))
        self._guarded(sink.close)

    def _next(self, sink: DecisionSink) -> _Entry | None:
        while True:
            try:
                return self._queue.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                self._guarded(sink.poll)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except DependencyError as exc:
            self._metrics.decisions_deferred.inc()
            log.warning("decisions_deferred", error=exc.message)
        except DataError as exc:
            self._metrics.decisions_dropped.inc()
            log.error("decision_refused", error=exc.message)


def to_record(ranking: Ranking, at: datetime) -> Record:
    """The event of one answer. Arrival and event time are `at`: a decision arrives when it is made.

    A list that a click moved goes on with the click's trace.
    """
    return Record(
        topic=RECOMMENDATION_DECISION,
        key=str(ranking.customer_id).encode(),
        value=orjson.dumps(to_event(ranking, at)),
        timestamp_ms=int(at.timestamp() * 1000),
        headers={"schema_version": b"1", "traceparent": _traceparent(ranking).encode()},
    )


def _traceparent(ranking: Ranking) -> str:
    """W3C trace context: a span of the newest live event's trace, or the root of a trace of its own."""
    clicked = None if ranking.live is None else ranking.live.last.traceparent
    trace = clicked.split("-")[1] if clicked else uuid.uuid4().hex
    return f"00-{trace}-{uuid.uuid4().hex[:16]}-01"


def to_event(ranking: Ranking, at: datetime) -> dict[str, Any]:
    """The decision as the contract writes it."""
    return {
        "event_id": str(uuid.uuid4()),
        "event_time": to_rfc3339(at),
        "request_id": ranking.request_id,
        "customer_id": ranking.customer_id,
        "model_name": ranking.model.name,
        "model_version": ranking.model.version,
        "feature_set": ranking.model.feature_set,
        "features_as_of": None if ranking.features_as_of is None else to_rfc3339(ranking.features_as_of),
        "feature_age_seconds": ranking.feature_age_seconds,
        "live_as_of": None if ranking.live is None else to_rfc3339(ranking.live.as_of),
        "live_event_id": None if ranking.live is None else ranking.live.last.event_id,
        "degraded": ranking.degraded,
        "degraded_reasons": [reason.value for reason in ranking.degraded_reasons],
        "latency_ms": ranking.latency_ms,
        "feature_names": list(ranking.feature_names),
        "items": [
            {
                "product_id": i.product_id,
                "rank": rank,
                "score": i.score,
                "source": i.source.value,
                "features": i.features,
            }
            for rank, i in enumerate(ranking.items, start=1)
        ],
    }
