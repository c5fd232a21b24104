"""The stream writer's Prometheus collectors, made from the platform's metric registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contracts.topics_names import FEATURE_TOPICS
from monitoring_logging import metric_registry as names
from monitoring_logging.metric_registry import Metric

ACCEPTED, REFUSED = "accepted", "refused"
SINKS = REDIS, DEAD_LETTERS, LAKE = "redis", "dead_letters", "lake"


class WriterMetrics:
    """One set of collectors a process; tests make their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        records = self._counter(names.FEATURE_WRITER_RECORDS_TOTAL)
        archived = self._counter(names.FEATURE_WRITER_ARCHIVED_RECORDS_TOTAL)
        delays = Histogram(*_described(names.FEATURE_WRITER_DELAY_SECONDS), registry=self.registry,
                           buckets=names.FEATURE_WRITER_DELAY_SECONDS.buckets)  # fmt: skip
        failures = self._counter(names.FEATURE_WRITER_FAILURES_TOTAL)
        waiting = self._gauge(names.FEATURE_WRITER_WAITING)
        self.failures = {sink: failures.labels(sink) for sink in SINKS}
        self.waiting = {sink: waiting.labels(sink) for sink in SINKS}
        self.records = {(t, f): records.labels(t, f) for t in FEATURE_TOPICS for f in (ACCEPTED, REFUSED)}
        self.archived = {topic: archived.labels(topic) for topic in FEATURE_TOPICS}
        self.delay = {topic: delays.labels(topic) for topic in FEATURE_TOPICS}
        self.outdated = self._counter(names.FEATURE_WRITER_OUTDATED_RECORDS_TOTAL)
        self.store_losses = self._counter(names.FEATURE_WRITER_STORE_LOSSES_TOTAL)
        self.pending = self._gauge(names.FEATURE_WRITER_PENDING_RECORDS)

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)

    def value(self, series: str, /, **labels: str) -> float:
        """The current value of one series, 0 where it was never set."""
        return self.registry.get_sample_value(series, labels) or 0.0

    def summary(self) -> str:
        """One line per topic, for a terminal."""
        lines = []
        for topic in FEATURE_TOPICS:
            accepted, refused = (
                self.value("feature_writer_records_total", topic=topic, verdict=v) for v in (ACCEPTED, REFUSED)
            )
            archived = self.value("feature_writer_archived_records_total", topic=topic)
            lines.append(
                f"{topic}: {accepted:,.0f} accepted, {refused:,.0f} refused, {archived:,.0f} added to the lake"
            )
        return "\n".join(lines)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(*_described(metric), registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(*_described(metric), registry=self.registry)


def _described(metric: Metric) -> tuple[str, str, tuple[str, ...]]:
    return metric.name, metric.meaning, metric.labels
