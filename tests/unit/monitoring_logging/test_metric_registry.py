from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from feature_store.online_store.writer_metrics import WriterMetrics
from model_serving.metrics import ServingMetrics
from monitoring_logging.metric_registry import METRICS, MetricType

_NAME = re.compile(r"(serving|feature_writer|ledger)_[a-z]+(_[a-z]+)*")


def test_every_metric_is_fully_described() -> None:
    for name, metric in METRICS.items():
        assert _NAME.fullmatch(name)
        assert metric.meaning.endswith(".")
        assert metric.unit
        assert name.endswith("_total") == (metric.type is MetricType.COUNTER)
        assert bool(metric.buckets) == (metric.type is MetricType.HISTOGRAM)


def test_serving_exposes_exactly_what_is_registered() -> None:
    assert exposed(ServingMetrics().render()) == {name for name in METRICS if name.startswith("serving_")}


def test_the_feature_writer_exposes_exactly_what_is_registered() -> None:
    assert exposed(WriterMetrics().render()) == {name for name in METRICS if name.startswith("feature_writer_")}


def exposed(page: bytes) -> set[str]:
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(page.decode())
        if not family.name.endswith("_created")
    }
