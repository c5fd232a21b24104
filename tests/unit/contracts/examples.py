"""The example files under contracts/examples as test cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from contracts.generated.spark_schemas import SPARK_COLUMNS
from contracts.reasons import RejectReason
from contracts.registry import CONTRACTS_DIR, load_topics

EXAMPLES = CONTRACTS_DIR / "examples"


class BadExample(NamedTuple):
    """A refused value, named `<REASON>--<slug>.json` or `<REASON>--<path>--<slug>.json`, where `event` stands for $."""

    topic: str
    name: str
    value: bytes
    reason: RejectReason
    path: str | None


def completed(topic: str, event: dict[str, Any]) -> dict[str, Any]:
    """The event with null for each optional field that it lacks, as typed readers hold it."""
    return {**dict.fromkeys(SPARK_COLUMNS[topic]), **event}


def topic_names() -> list[str]:
    """Topics that have a schema."""
    return [topic.name for topic in load_topics().values() if topic.schema is not None]


def good_examples() -> list[tuple[str, str, bytes]]:
    """(topic, name, value) of every accepted example."""
    return [(topic, path.stem, path.read_bytes()) for topic, path in _files("good")]


def bad_examples() -> list[BadExample]:
    """Every refused example."""
    return [_bad(topic, path) for topic, path in _files("bad")]


def _files(kind: str) -> Iterator[tuple[str, Path]]:
    for name in topic_names():
        for path in sorted((EXAMPLES / str(load_topics()[name].schema) / kind).glob("*.json")):
            yield name, path


def _bad(topic: str, path: Path) -> BadExample:
    reason, *middle, _ = path.stem.split("--")
    where = middle[0].replace("event", "$") if middle[:1] == ["event"] else (middle[0] if middle else None)
    return BadExample(topic, path.stem, path.read_bytes(), RejectReason(reason), where)
