from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from model_serving.metrics import ServingMetrics
from monitoring_logging.metric_registry import METRICS, MetricType

_NAME = re.compile(r"serving_[a-z]+(_[a-z]+)*")


def test_every_metric_is_fully_described() -> None:
    for name, metric in METRICS.items():
        assert _NAME.fullmatch(name)
        assert metric.meaning.endswith(".")
        assert metric.unit
        assert name.endswith("_total") == (metric.type is MetricType.COUNTER)
        assert bool(metric.buckets) == (metric.type is MetricType.HISTOGRAM)


def test_serving_exposes_exactly_what_is_registered() -> None:
    families = text_string_to_metric_families(ServingMetrics().render().decode())
    exposed = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families
        if not family.name.endswith("_created")
    }
    assert exposed == set(METRICS)
