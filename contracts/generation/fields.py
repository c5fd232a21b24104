"""The contracts' part of JSON Schema as typed fields: what the writers of models and table definitions read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from contracts.registry import JsonSchema, Topic, load_schema, load_topics
from shared_utils.errors import ContractError

Kind = Literal["integer", "number", "string", "boolean", "instant", "array", "object"]

_KINDS: Final = ("integer", "number", "string", "boolean", "array", "object")


@dataclass(frozen=True, slots=True)
class Field:
    """One field, or the element of an array (then `name` is `element`). `members` are an object's fields in order."""

    name: str
    kind: Kind
    nullable: bool
    required: bool
    schema: JsonSchema
    members: tuple[Field, ...] = ()
    element: Field | None = None

    @property
    def description(self) -> str:
        """The schema's description, or an empty text."""
        return str(self.schema.get("description", ""))


def event_schemas(topics: Mapping[str, Topic] | None = None) -> Iterator[tuple[Topic, Field]]:
    """Each topic that has a schema, in the order of their names, with its event as an object field."""
    for topic in (load_topics() if topics is None else topics).values():
        if topic.schema is not None:
            yield topic, read_field("event", load_schema(topic.schema), required=True)


def read_field(name: str, schema: JsonSchema, *, required: bool) -> Field:
    """The field that `schema` describes. Raises ContractError for a construct the writers do not know."""
    kind, nullable = _kind(name, schema)
    return Field(
        name=name,
        kind=kind,
        nullable=nullable,
        required=required,
        schema=schema,
        members=tuple(_members(schema)) if kind == "object" else (),
        element=read_field("element", schema["items"], required=True) if kind == "array" else None,
    )


def _members(schema: JsonSchema) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    for name, sub in schema["properties"].items():
        yield read_field(name, sub, required=name in required)


def _kind(name: str, schema: JsonSchema) -> tuple[Kind, bool]:
    declared: Any = schema.get("type")
    types = [declared] if isinstance(declared, str) else list(declared or ())
    kinds = [kind for kind in types if kind != "null"]
    if len(kinds) != 1 or kinds[0] not in _KINDS:
        raise ContractError(f"The field {name!r} has the type {declared!r}.", "Give it one type, or one type and null.")
    if kinds[0] == "string" and schema.get("format") == "date-time":
        return "instant", "null" in types
    return cast(Kind, kinds[0]), "null" in types
