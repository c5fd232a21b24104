"""Rules between fields, beyond JSON Schema: each gives `<path>: <message>` of a schema-valid event, or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from contracts.topics_names import RECOMMENDATION_DECISION, TRANSACTION

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


SEMANTIC_RULES: Final[Mapping[str, SemanticRule]] = {
    TRANSACTION: transaction_adds_up,
    RECOMMENDATION_DECISION: decision_has_a_value_per_feature,
}
