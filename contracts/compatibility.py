"""Whether a new version of a contract may replace a published one under the same topic name.

The reader/writer view. Two things must hold, and a change that fails either is breaking and needs a new topic version:
- new readers read old events: nothing valid becomes invalid (fields, ranges, enums and patterns do not narrow);
- old consumers of typed rows hold new events: no field, type, nullability, closed set or presence they rely on changes.
So a new optional field and a wider range are additive, and a longer enum is breaking, because consumers switch on it.
Validators refuse unknown fields; an additive change therefore goes to the readers first and to the producers second.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple

from contracts.registry import JsonSchema, Topic


class BreakingRule(StrEnum):
    """What a change breaks."""

    FIELD_REMOVED = "FIELD_REMOVED"
    REQUIRED_FIELD_ADDED = "REQUIRED_FIELD_ADDED"
    FIELD_BECAME_REQUIRED = "FIELD_BECAME_REQUIRED"
    FIELD_BECAME_OPTIONAL = "FIELD_BECAME_OPTIONAL"
    TYPE_CHANGED = "TYPE_CHANGED"
    ENUM_NARROWED = "ENUM_NARROWED"
    ENUM_GREW = "ENUM_GREW"
    RANGE_NARROWED = "RANGE_NARROWED"
    PATTERN_CHANGED = "PATTERN_CHANGED"
    RULE_CHANGED = "RULE_CHANGED"
    KEY_CHANGED = "KEY_CHANGED"
    PARTITIONS_SHRUNK = "PARTITIONS_SHRUNK"
    CLEANUP_CHANGED = "CLEANUP_CHANGED"
    SCHEMA_CHANGED = "SCHEMA_CHANGED"
    DLQ_REMOVED = "DLQ_REMOVED"
    CONTRACT_REMOVED = "CONTRACT_REMOVED"


class Breaking(NamedTuple):
    """One breaking change: the rule, the path of the field (`lines[].quantity`, `$` for the event) and both values."""

    rule: BreakingRule
    path: str
    detail: str


_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_ANNOTATIONS: Final = {"$schema", "$id", "$comment", "title", "description", "examples"}
_COMPARED: Final = {"type", "format", "enum", "const", "pattern", "properties", "required", "items"}
_UNSET: Final = "unset"


def check(old: JsonSchema, new: JsonSchema) -> list[Breaking]:
    """The breaking changes from `old` to `new`; empty if the change is additive."""
    return list(_compare(old, new, ""))


def check_topic(old: Topic, new: Topic) -> list[Breaking]:
    """The breaking changes between two settings of one topic. More partitions are allowed; fewer lose records."""
    pairs = (
        (BreakingRule.KEY_CHANGED, old.key != new.key, old.key, new.key),
        (BreakingRule.PARTITIONS_SHRUNK, new.partitions < old.partitions, old.partitions, new.partitions),
        (
            BreakingRule.CLEANUP_CHANGED,
            old.cleanup_policy != new.cleanup_policy,
            old.cleanup_policy,
            new.cleanup_policy,
        ),
        (BreakingRule.SCHEMA_CHANGED, old.schema != new.schema, old.schema, new.schema),
        (BreakingRule.DLQ_REMOVED, old.dlq and not new.dlq, old.dlq, new.dlq),
    )
    return [Breaking(rule, "$", f"{was} -> {is_now}") for rule, broken, was, is_now in pairs if broken]


def _compare(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[Breaking]:
    yield from _compare_types(old, new, path)
    yield from _compare_enums(old, new, path)
    yield from _compare_bounds(old, new, path)
    yield from _compare_rules(old, new, path)
    yield from _compare_members(old, new, path)
    if "items" in old and "items" in new:
        yield from _compare(old["items"], new["items"], f"{path}[]")


def _compare_types(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[Breaking]:
    was, is_now = _types(old), _types(new)
    if was != is_now or old.get("format") != new.get("format"):
        detail = f"{old.get('type')} {old.get('format', '')} -> {new.get('type')} {new.get('format', '')}"
        yield Breaking(BreakingRule.TYPE_CHANGED, path or "$", detail)


def _compare_enums(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[Breaking]:
    was, is_now = _values(old), _values(new)
    if was is None and is_now is None:
        return
    if is_now is not None and (was is None or was - is_now):
        yield Breaking(BreakingRule.ENUM_NARROWED, path or "$", _change(was, is_now))
    if was is not None and (is_now is None or is_now - was):
        yield Breaking(BreakingRule.ENUM_GREW, path or "$", _change(was, is_now))


def _compare_bounds(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[Breaking]:
    for words, sign in ((_LOWER_BOUNDS, 1), (_UPPER_BOUNDS, -1)):
        for word in words:
            was, is_now = old.get(word), new.get(word)
            if is_now is not None and (was is None or sign * is_now > sign * was):
                yield Breaking(BreakingRule.RANGE_NARROWED, path or "$", f"{word} {_shown(was)} -> {is_now}")


def _compare_rules(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[Breaking]:
    """Patterns, and keywords this module does not understand: a difference may narrow, and counts as breaking."""
    if old.get("pattern") != new.get("pattern"):
        detail = f"{_shown(old.get('pattern'))} -> {_shown(new.get('pattern'))}"
        yield Breaking(BreakingRule.PATTERN_CHANGED, path or "$", detail)
    understood = _ANNOTATIONS | _COMPARED | {*_LOWER_BOUNDS, *_UPPER_BOUNDS}
    for word in sorted((set(old) | set(new)) - understood):
        if old.get(word) != new.get(word):
            yield Breaking(BreakingRule.RULE_CHANGED, path or "$", f"{word} differs")


def _compare_members(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[Breaking]:
    was, is_now = old.get("properties", {}), new.get("properties", {})
    for name in [*was, *(added for added in is_now if added not in was)]:
        inner = f"{path}.{name}" if path else name
        if name not in is_now:
            yield Breaking(BreakingRule.FIELD_REMOVED, inner, "removed")
            continue
        yield from _compare_presence(
            name in was, name in old.get("required", ()), name in new.get("required", ()), inner
        )
        if name in was:
            yield from _compare(was[name], is_now[name], inner)


def _compare_presence(existed: bool, was_required: bool, is_required: bool, path: str) -> Iterator[Breaking]:
    if not existed and is_required:
        yield Breaking(BreakingRule.REQUIRED_FIELD_ADDED, path, "added as required")
    elif existed and is_required and not was_required:
        yield Breaking(BreakingRule.FIELD_BECAME_REQUIRED, path, "optional -> required")
    elif was_required and not is_required:
        yield Breaking(BreakingRule.FIELD_BECAME_OPTIONAL, path, "required -> optional")


def _types(schema: JsonSchema) -> set[str]:
    declared = schema.get("type", [])
    return {declared} if isinstance(declared, str) else set(declared)


def _values(schema: JsonSchema) -> set[Any] | None:
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None


def _change(was: set[Any] | None, is_now: set[Any] | None) -> str:
    removed = sorted(map(str, (was or set()) - (is_now or set())))
    added = sorted(map(str, (is_now or set()) - (was or set())))
    return f"removed {removed}, added {added}"


def _shown(value: object) -> object:
    return _UNSET if value is None else value
