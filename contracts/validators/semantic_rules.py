"""Rules between fields, beyond JSON Schema: each gives `<path>: <message>` of a schema-valid event, or None.

Flink judges by `stream_processing/flink_python/java/SemanticRule.java`, whose rules have these names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from contracts.topics_names import CUSTOMER_FEATURE, PRODUCT_FEATURE, RECOMMENDATION_DECISION, TRANSACTION

_MINUTE_CHARS: Final = len("2026-11-20T10:15")

SemanticRule = Callable[[Any], str | None]


def transaction_adds_up(event: Any) -> str | None:
    """`total_cents` is the sum of the lines, and (basket_id, line_number) can be the key of a line."""
    lines = event["lines"]
    total = sum([line["sales_cents"] for line in lines])
    if total != event["total_cents"]:
        return f"total_cents: {event['total_cents']} is not the sum of the lines' sales_cents, {total}"
    if len({line["line_number"] for line in lines}) != len(lines):
        return "lines: a line_number stands twice"
    return None


def decision_has_a_value_per_feature(decision: Any) -> str | None:
    """Each item carries one value per feature name, and ranks do not repeat."""
    width = len(decision["feature_names"])
    for index, item in enumerate(decision["items"]):
        if len(item["features"]) != width:
            return f"items[{index}].features: {len(item['features'])} values for {width} feature names"
    if len({item["rank"] for item in decision["items"]}) != len(decision["items"]):
        return "items: a rank stands twice"
    return None


def bucket_is_one_minute(feature: Any) -> str | None:
    """A record of a minute starts on the minute, and all that it counts happened in it."""
    start = feature["bucket_start"]
    if start[-7:] != "00.000Z":
        return f"bucket_start: {start} is not the first instant of a minute"
    minute = start[:_MINUTE_CHARS]
    if feature["event_time"][:_MINUTE_CHARS] != minute:
        return f"event_time: {feature['event_time']} is outside the minute {start}"
    for index, touch in enumerate(feature.get("products", ())):
        if touch["event_time"][:_MINUTE_CHARS] != minute:
            return f"products[{index}].event_time: {touch['event_time']} is outside the minute {start}"
    return None


SEMANTIC_RULES: Final[Mapping[str, SemanticRule]] = {
    TRANSACTION: transaction_adds_up,
    CUSTOMER_FEATURE: bucket_is_one_minute,
    PRODUCT_FEATURE: bucket_is_one_minute,
    RECOMMENDATION_DECISION: decision_has_a_value_per_feature,
}
