"""The one rule JSON Schema cannot say: an integer is written without fraction or exponent.

JSON Schema 2020-12 calls `1.0` and `1e3` integers, but in a BIGINT column the engines read them as null. The platform
takes the reading of draft 4, in which they are no integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from contracts.registry import JsonSchema

FindFraction = Callable[[Any], str | None]


def fraction_finder(schema: JsonSchema) -> FindFraction:
    """A function that gives the path of the first integer field holding a float, or None. Its input is schema-valid."""
    integers = tuple(name for name, sub in _properties(schema) if _allows(sub, "integer"))
    lists = tuple((name, fraction_finder(sub["items"])) for name, sub in _properties(schema) if _holds_objects(sub))

    def find(document: Any) -> str | None:
        for name in integers:
            if type(document.get(name)) is float:
                return name
        for name, find_in_item in lists:
            for index, item in enumerate(document.get(name, ())):
                if (inner := find_in_item(item)) is not None:
                    return f"{name}[{index}].{inner}"
        return None

    return find


def _properties(schema: JsonSchema) -> Iterator[tuple[str, JsonSchema]]:
    yield from schema.get("properties", {}).items()


def _allows(schema: JsonSchema, kind: str) -> bool:
    types = schema.get("type", ())
    return kind == types if isinstance(types, str) else kind in types


def _holds_objects(schema: JsonSchema) -> bool:
    return _allows(schema, "array") and _allows(schema["items"], "object")
