"""A second, slow verdict made of other parts: the standard library's JSON parser and the pure-Python `jsonschema`."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import jsonschema
from jsonschema.protocols import Validator as SchemaValidator

from contracts.registry import load_schema, topic
from contracts.validators.semantic_rules import SEMANTIC_RULES

MAX_BYTES = 1_048_576
MAX_DEPTH = 32


def accepts(topic_name: str, value: bytes | None) -> bool:
    """Whether the value is one strict JSON text, an instance of the topic's schema, and free of contradictions."""
    if value is None or len(value) > MAX_BYTES:
        return False
    try:
        document = _read(value)
        too_deep = _depth(document) > MAX_DEPTH
    except (ValueError, RecursionError):
        return False
    if too_deep or not schema_validator(topic_name).is_valid(document):
        return False
    rule = SEMANTIC_RULES.get(topic_name)
    return rule is None or rule(document) is None


@cache
def schema_validator(topic_name: str) -> SchemaValidator:
    """The reference validator of a topic; an integer is written without fraction, as in draft 4."""
    base = jsonschema.Draft202012Validator
    checker = base.TYPE_CHECKER.redefine("integer", lambda _, instance: type(instance) is int)
    return jsonschema.validators.extend(base, type_checker=checker)(load_schema(str(topic(topic_name).schema)))


def _read(value: bytes) -> Any:
    document = json.loads(
        value.decode("utf-8"),
        object_pairs_hook=_unique,
        parse_constant=_refuse,
        parse_float=_finite,
        parse_int=_bounded,
    )
    json.dumps(document, ensure_ascii=False).encode("utf-8")  # refuses lone surrogates
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("repeated key")
    return dict(pairs)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(text)
    return number


def _bounded(text: str) -> int:
    _finite(text)  # beyond the range of a double no parser agrees on a value
    return int(text)


def _depth(document: Any) -> int:
    if not isinstance(document, dict | list):
        return 0
    inner = document.values() if isinstance(document, dict) else document
    return 1 + max((_depth(value) for value in inner), default=0)
