"""Every metric of the platform, named once: `<layer>_<noun>_<unit>[_total]`.

Code creates its collectors from here and dashboards and alert rules are checked against it, so that a renamed metric
cannot leave a dashboard that shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """The Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `unit` is the unit of its value; `labels` have few values each, never an id."""

    name: str
    type: MetricType
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_LATENCY_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0)

SERVING_REQUEST_SECONDS = Metric(
    "serving_request_seconds",
    MetricType.HISTOGRAM,
    "seconds",
    "Time from the first byte of a request to the end of its answer.",
    ("route", "method", "status"),
    _LATENCY_BUCKETS,
)
SERVING_STAGE_SECONDS = Metric(
    "serving_stage_seconds",
    MetricType.HISTOGRAM,
    "seconds",
    "Time of one stage of a recommendation: read, rank or explain.",
    ("stage",),
    (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1),
)
SERVING_DEGRADED_ANSWERS_TOTAL = Metric(
    "serving_degraded_answers_total",
    MetricType.COUNTER,
    "answers",
    "Recommendations answered by a fallback, once for each of their reasons.",
    ("reason",),
)
SERVING_COLD_START_ANSWERS_TOTAL = Metric(
    "serving_cold_start_answers_total", MetricType.COUNTER, "answers", "Recommendations for customers without features."
)
SERVING_REFUSED_TOKENS_TOTAL = Metric(
    "serving_refused_tokens_total", MetricType.COUNTER, "requests", "Requests refused with 401 or 403.", ("status",)
)
SERVING_BREAKER_OPEN = Metric(
    "serving_breaker_open", MetricType.GAUGE, "boolean", "1 while the online store is not asked because it failed."
)
SERVING_FEATURE_AGE_SECONDS = Metric(
    "serving_feature_age_seconds", MetricType.GAUGE, "seconds", "Age of the features of the last personal answer."
)
SERVING_MODEL_STALE = Metric(
    "serving_model_stale", MetricType.GAUGE, "boolean", "1 while the registry cannot be read and the last model serves."
)
SERVING_MODEL_INFO = Metric(
    "serving_model_info", MetricType.GAUGE, "boolean", "1 for the model version that serves.", ("name", "version")
)
SERVING_MODEL_SWAPS_TOTAL = Metric(
    "serving_model_swaps_total", MetricType.COUNTER, "swaps", "Model versions that went live in this process."
)
SERVING_MODEL_REFUSED_TOTAL = Metric(
    "serving_model_refused_total", MetricType.COUNTER, "artefacts", "Champions that were refused; the old one stayed."
)
SERVING_STORE_REFRESH_FAILURES_TOTAL = Metric(
    "serving_store_refresh_failures_total",
    MetricType.COUNTER,
    "refreshes",
    "Background refreshes of products and stock that failed.",
)
SERVING_DECISIONS_QUEUED_TOTAL = Metric(
    "serving_decisions_queued_total", MetricType.COUNTER, "decisions", "Decisions handed to the publisher."
)
SERVING_DECISIONS_DROPPED_TOTAL = Metric(
    "serving_decisions_dropped_total", MetricType.COUNTER, "decisions", "Decisions lost because the queue was full."
)
SERVING_DECISIONS_DEFERRED_TOTAL = Metric(
    "serving_decisions_deferred_total",
    MetricType.COUNTER,
    "failures",
    "Times that Kafka did not take decisions and they were kept on disk.",
)

FEATURE_WRITER_RECORDS_TOTAL = Metric(
    "feature_writer_records_total",
    MetricType.COUNTER,
    "records",
    "Feature records by the contract's verdict: accepted or refused.",
    ("topic", "verdict"),
)
FEATURE_WRITER_OUTDATED_RECORDS_TOTAL = Metric(
    "feature_writer_outdated_records_total",
    MetricType.COUNTER,
    "records",
    "Accepted records that changed nothing: Redis held a newer or the same one.",
)
FEATURE_WRITER_DELAY_SECONDS = Metric(
    "feature_writer_delay_seconds",
    MetricType.HISTOGRAM,
    "seconds",
    "From a feature record's arrival in Kafka until it stands in Redis.",
    ("topic",),
    _LATENCY_BUCKETS,
)
FEATURE_WRITER_FAILURES_TOTAL = Metric(
    "feature_writer_failures_total",
    MetricType.COUNTER,
    "attempts",
    "Writes that redis, dead_letters or the lake did not take; each is tried again.",
    ("waits_for",),
)
FEATURE_WRITER_WAITING = Metric(
    "feature_writer_waiting",
    MetricType.GAUGE,
    "boolean",
    "1 while redis, dead_letters or the lake takes no writes and the writer waits for it.",
    ("waits_for",),
)
FEATURE_WRITER_STORE_LOSSES_TOTAL = Metric(
    "feature_writer_store_losses_total",
    MetricType.COUNTER,
    "losses",
    "Times that Redis had lost its live features and they were filled in again from the lake.",
)
FEATURE_WRITER_ARCHIVED_RECORDS_TOTAL = Metric(
    "feature_writer_archived_records_total", MetricType.COUNTER, "records", "Records added to the lake.", ("topic",)
)
FEATURE_WRITER_PENDING_RECORDS = Metric(
    "feature_writer_pending_records", MetricType.GAUGE, "records", "Records in Redis that the lake does not have yet."
)

LEDGER_SENT_EVENTS = Metric(
    "ledger_sent_events", MetricType.GAUGE, "events", "Records that the run's producers announced."
)
LEDGER_ACCOUNTED_EVENTS = Metric(
    "ledger_accounted_events", MetricType.GAUGE, "events", "What a stage holds as it was meant to.", ("stage",)
)
LEDGER_DIFFERENCE_EVENTS = Metric(
    "ledger_difference_events",
    MetricType.GAUGE,
    "events",
    "What is lost, duplicated, misrouted or reordered at a stage.",
    ("stage", "kind"),
)
LEDGER_STAGE_JUDGED = Metric(
    "ledger_stage_judged", MetricType.GAUGE, "boolean", "1 when a stage left all its evidence.", ("stage",)
)
LEDGER_BALANCED = Metric(
    "ledger_balanced", MetricType.GAUGE, "boolean", "1 when nothing is wrong and all that was demanded was judged."
)
LEDGER_RUN_SECONDS = Metric(
    "ledger_run_seconds", MetricType.GAUGE, "seconds", "When the ledger was last drawn up, in epoch seconds."
)

METRICS: Mapping[str, Metric] = {m.name: m for m in list(globals().values()) if isinstance(m, Metric)}
