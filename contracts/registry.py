"""The topics and their schemas as typed, cached values; read from the files of this package on first use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import yaml

from contracts.topics_names import dlq_name
from shared_utils.errors import ContractError

__all__ = ["CONTRACTS_DIR", "TOPICS", "JsonSchema", "Topic", "dlq_name", "load_schema", "load_topics", "topic"]

JsonSchema = dict[str, Any]

CONTRACTS_DIR: Final = Path(__file__).resolve().parent
TOPICS: Mapping[str, Topic]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic file.

    `schema` is a file stem under `contracts/schemas` (None: values as received). `key` is the field whose decimal text
    is the Kafka key. `retention_ms` -1 keeps for ever. `dlq` says that `<name>.dlq` exists and takes refused values.
    """

    name: str
    owner: str
    description: str
    schema: str | None
    version: int
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitions: int
    retention_ms: int
    compatibility: str
    dlq: bool
    cleanup_policy: str


def __getattr__(name: str) -> Any:
    if name == "TOPICS":
        return load_topics()
    raise AttributeError(name)


@cache
def load_topics(directory: Path = CONTRACTS_DIR / "topics") -> Mapping[str, Topic]:
    """All topics by name, sorted. Raises ContractError for a file with missing, unknown or ill-typed fields."""
    topics = [_read_topic(path) for path in sorted(directory.glob("*.yaml"))]
    return MappingProxyType({topic.name: topic for topic in topics})


def topic(name: str) -> Topic:
    """The topic of that name. Raises ContractError for an unknown one."""
    topics = load_topics()
    if name not in topics:
        raise ContractError(f"There is no topic {name!r} in contracts/topics.", f"Use one of {', '.join(topics)}.")
    return topics[name]


@cache
def load_schema(stem: str, directory: Path = CONTRACTS_DIR / "schemas") -> JsonSchema:
    """The JSON Schema `<directory>/<stem>.schema.json`, e.g. `click_event.v1`. Read-only by agreement: it is cached."""
    path = directory / f"{stem}.schema.json"
    try:
        return cast(JsonSchema, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as exc:
        raise ContractError(f"The schema {path.name} cannot be read: {exc}.", "Restore the file.") from exc


def _read_topic(path: Path) -> Topic:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = {field.name for field in fields(Topic)}
    if not isinstance(raw, dict) or set(raw) != names:
        raise ContractError(f"{path.name} does not have exactly the fields of a topic.", f"Give it {sorted(names)}.")
    if raw["name"] != path.stem:
        raise ContractError(f"{path.name} names the topic {raw['name']!r}.", "Name the file after its topic.")
    return Topic(**{**raw, "producers": tuple(raw["producers"]), "consumers": tuple(raw["consumers"])})
