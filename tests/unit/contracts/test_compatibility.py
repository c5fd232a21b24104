"""Evolutions of a contract: which are additive, and what the others break."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.compatibility import Breaking, BreakingRule, check, check_topic
from contracts.registry import load_schema, load_topics, topic
from contracts.topics_names import CLICK

Schema = dict[str, Any]
Change = Callable[[Schema], object]

BASE: Schema = copy.deepcopy(load_schema("transaction_event.v1"))
BASE["properties"]["note"] = {"type": "string", "maxLength": 20}  # a published optional field
BASE["allOf"] = [
    {"if": {"properties": {"channel": {"const": "web"}}}, "then": {"properties": {"note": {"minLength": 1}}}}
]


def fields(schema: Schema) -> Schema:
    """The event's properties."""
    result: Schema = schema["properties"]
    return result


def line(schema: Schema) -> Schema:
    """The schema of a line."""
    result: Schema = schema["properties"]["lines"]["items"]
    return result


def add_required(schema: Schema) -> None:
    """Add a field and require it."""
    fields(schema)["till"] = {"type": "integer"}
    schema["required"].append("till")


def rename(schema: Schema) -> None:
    """A rename is a removal and an addition."""
    fields(schema)["shop_id"] = fields(schema).pop("store_id")
    schema["required"][schema["required"].index("store_id")] = "shop_id"


EVOLUTIONS: list[tuple[str, Change, list[tuple[BreakingRule, str]]]] = [
    ("new optional field", lambda s: fields(s).update(till={"type": "integer"}), []),
    ("new optional field in a line", lambda s: line(s)["properties"].update(unit={"type": "string"}), []),
    ("new description", lambda s: fields(s)["channel"].update(description="Other words."), []),
    ("wider range", lambda s: line(s)["properties"]["quantity"].update(maximum=10**6), []),
    ("no upper bound", lambda s: fields(s)["lines"].pop("maxItems"), []),
    ("const as enum of one", lambda s: fields(s).update(currency={"type": "string", "enum": ["USD"]}), []),
    ("removed field", lambda s: fields(s).pop("store_id"), [(BreakingRule.FIELD_REMOVED, "store_id")]),
    ("removed optional field", lambda s: fields(s).pop("note"), [(BreakingRule.FIELD_REMOVED, "note")]),
    (
        "removed field of a line",
        lambda s: line(s)["properties"].pop("quantity"),
        [(BreakingRule.FIELD_REMOVED, "lines[].quantity")],
    ),
    (
        "renamed field",
        rename,
        [(BreakingRule.FIELD_REMOVED, "store_id"), (BreakingRule.REQUIRED_FIELD_ADDED, "shop_id")],
    ),
    ("new required field", add_required, [(BreakingRule.REQUIRED_FIELD_ADDED, "till")]),
    ("now required", lambda s: s["required"].append("note"), [(BreakingRule.FIELD_BECAME_REQUIRED, "note")]),
    ("now optional", lambda s: s["required"].remove("store_id"), [(BreakingRule.FIELD_BECAME_OPTIONAL, "store_id")]),
    ("other type", lambda s: fields(s)["store_id"].update(type="string"), [(BreakingRule.TYPE_CHANGED, "store_id")]),
    (
        "integer as number",
        lambda s: line(s)["properties"]["quantity"].update(type="number"),
        [(BreakingRule.TYPE_CHANGED, "lines[].quantity")],
    ),
    (
        "null admitted",
        lambda s: fields(s)["store_id"].update(type=["integer", "null"]),
        [(BreakingRule.TYPE_CHANGED, "store_id")],
    ),
    ("instant as text", lambda s: fields(s)["event_time"].pop("format"), [(BreakingRule.TYPE_CHANGED, "event_time")]),
    ("longer enum", lambda s: fields(s)["channel"]["enum"].append("phone"), [(BreakingRule.ENUM_GREW, "channel")]),
    ("open enum", lambda s: fields(s)["channel"].pop("enum"), [(BreakingRule.ENUM_GREW, "channel")]),
    ("shorter enum", lambda s: fields(s)["channel"]["enum"].remove("web"), [(BreakingRule.ENUM_NARROWED, "channel")]),
    (
        "other currency",
        lambda s: fields(s)["currency"].update(const="EUR"),
        [(BreakingRule.ENUM_NARROWED, "currency"), (BreakingRule.ENUM_GREW, "currency")],
    ),
    (
        "narrower range",
        lambda s: line(s)["properties"]["quantity"].update(maximum=10),
        [(BreakingRule.RANGE_NARROWED, "lines[].quantity")],
    ),
    ("higher minimum", lambda s: fields(s)["store_id"].update(minimum=2), [(BreakingRule.RANGE_NARROWED, "store_id")]),
    ("fewer lines", lambda s: fields(s)["lines"].update(maxItems=499), [(BreakingRule.RANGE_NARROWED, "lines")]),
    ("new bound", lambda s: fields(s)["note"].update(minLength=1), [(BreakingRule.RANGE_NARROWED, "note")]),
    ("new pattern", lambda s: fields(s)["note"].update(pattern="a"), [(BreakingRule.PATTERN_CHANGED, "note")]),
    ("other condition", lambda s: s["allOf"][0].pop("then"), [(BreakingRule.RULE_CHANGED, "$")]),
    (
        "unknown fields allowed",
        lambda s: line(s).update(additionalProperties=True),
        [(BreakingRule.RULE_CHANGED, "lines[]")],
    ),
]


@pytest.mark.parametrize(("change", "expected"), [row[1:] for row in EVOLUTIONS], ids=[row[0] for row in EVOLUTIONS])
def test_b9_evolution(change: Change, expected: list[tuple[BreakingRule, str]]) -> None:
    new = copy.deepcopy(BASE)
    change(new)
    assert new != BASE, "the evolution changes nothing"
    assert [(found.rule, found.path) for found in check(BASE, new)] == expected


@pytest.mark.parametrize("stem", sorted({str(each.schema) for each in load_topics().values() if each.schema}))
def test_nothing_changed_breaks_nothing(stem: str) -> None:
    assert check(load_schema(stem), copy.deepcopy(load_schema(stem))) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"partitions": 4, "owner": "another team", "retention_ms": 1}, []),
        ({"key": "session_id"}, [Breaking(BreakingRule.KEY_CHANGED, "$", "customer_id -> session_id")]),
        ({"partitions": 1}, [Breaking(BreakingRule.PARTITIONS_SHRUNK, "$", "2 -> 1")]),
        ({"cleanup_policy": "compact"}, [Breaking(BreakingRule.CLEANUP_CHANGED, "$", "delete -> compact")]),
        ({"dlq": False}, [Breaking(BreakingRule.DLQ_REMOVED, "$", "True -> False")]),
        (
            {"schema": "payment_event.v1"},
            [Breaking(BreakingRule.SCHEMA_CHANGED, "$", "click_event.v1 -> payment_event.v1")],
        ),
    ],
)
def test_topic_evolution(settings: dict[str, Any], expected: list[Breaking]) -> None:
    assert check_topic(topic(CLICK), replace(topic(CLICK), **settings)) == expected
