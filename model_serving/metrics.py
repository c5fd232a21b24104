"""The process's Prometheus collectors, made from the platform's metric registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from monitoring_logging import metric_registry as names
from monitoring_logging.metric_registry import Metric


class ServingMetrics:
    """One set of collectors a process; tests make their own, so nothing is global."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.request_seconds = self._histogram(names.SERVING_REQUEST_SECONDS)
        self.stage_seconds = self._histogram(names.SERVING_STAGE_SECONDS)
        self.degraded = self._counter(names.SERVING_DEGRADED_ANSWERS_TOTAL)
        self.cold_start = self._counter(names.SERVING_COLD_START_ANSWERS_TOTAL)
        self.refused_tokens = self._counter(names.SERVING_REFUSED_TOKENS_TOTAL)
        self.breaker_open = self._gauge(names.SERVING_BREAKER_OPEN)
        self.feature_age_seconds = self._gauge(names.SERVING_FEATURE_AGE_SECONDS)
        self.model_stale = self._gauge(names.SERVING_MODEL_STALE)
        self.model_info = self._gauge(names.SERVING_MODEL_INFO)
        self.model_swaps = self._counter(names.SERVING_MODEL_SWAPS_TOTAL)
        self.model_refused = self._counter(names.SERVING_MODEL_REFUSED_TOTAL)
        self.store_refresh_failures = self._counter(names.SERVING_STORE_REFRESH_FAILURES_TOTAL)
        self.decisions_queued = self._counter(names.SERVING_DECISIONS_QUEUED_TOTAL)
        self.decisions_dropped = self._counter(names.SERVING_DECISIONS_DROPPED_TOTAL)
        self.decisions_deferred = self._counter(names.SERVING_DECISIONS_DEFERRED_TOTAL)
        self._stages = {stage: self.stage_seconds.labels(stage) for stage in ("read", "rank", "explain")}

    def time_stage(self, stage: str, seconds: float) -> None:
        """Record one stage of a recommendation."""
        self._stages[stage].observe(seconds)

    def show_model(self, name: str, version: str) -> None:
        """Let `serving_model_info` name this version alone."""
        self.model_info.clear()
        self.model_info.labels(name, version).set(1)

    def value(self, series: str, /, **labels: str) -> float:
        """The current value of one series, 0 where it was never set. Histograms: add `_count`, `_sum` or `_bucket`."""
        return self._registry.get_sample_value(series, labels) or 0.0

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.meaning, metric.labels, buckets=metric.buckets, registry=self._registry)
