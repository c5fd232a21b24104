"""A Kafka record as a value, and its one text form in spool files.

A line: `{"topic": str, "key": str|null, "value_b64": str|null, "timestamp_ms": int|null, "headers": {str: str}}`.
Other fields are ignored. The value is base64 because refused events are arbitrary bytes; null is a tombstone.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared_utils.errors import DataError


@dataclass(frozen=True, slots=True)
class Record:
    """What is sent. `timestamp_ms` is the arrival time in epoch milliseconds; None: the moment of sending."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received(Record):
    """What was read, with its coordinate."""

    partition: int = -1
    offset: int = -1


def to_line(record: Record) -> str:
    """The record as one line of JSON, without the line end."""
    return json.dumps(
        {
            "topic": record.topic,
            "key": _text(record.key),
            "value_b64": None if record.value is None else b64encode(record.value).decode(),
            "timestamp_ms": record.timestamp_ms,
            "headers": {name: _text(value) for name, value in record.headers.items()},
        }
    )


def from_line(line: str | bytes) -> Record:
    """The record of one spool line.

    Raises:
        DataError: the line is not of the form above.
    """
    try:
        raw = json.loads(line)
        value = raw["value_b64"]
        return Record(
            topic=raw["topic"],
            key=_bytes(raw["key"]),
            value=None if value is None else b64decode(value),
            timestamp_ms=raw["timestamp_ms"],
            headers={name: text.encode(errors="surrogateescape") for name, text in raw["headers"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DataError(f"A spool line is not a record ({exc!r}): {line[:80]!r}.", "Write the spool again.") from exc


# Keys and header values are text in every contract; surrogateescape carries stray bytes through JSON all the same.
def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="surrogateescape")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode(errors="surrogateescape")
