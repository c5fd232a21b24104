"""Corrections for refused events, and how one is found for a record of a dead-letter queue.

An event is named by its `event_id` or, when it cannot be read, by its source coordinate `topic/partition/offset`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared_utils.errors import DataError
from shared_utils.records import Received


@dataclass(frozen=True, slots=True)
class Repairs:
    """Merge patches (RFC 7396) and whole events, by the name of the refused event."""

    patches: Mapping[str, Any] = field(default_factory=dict)
    events: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, refused: Received) -> bytes | None:
        """The repaired value; None when there is no repair for this record."""
        for name in names_of(refused):
            if name in self.events:
                return _encode(self.events[name])
            if name in self.patches:
                return _encode(merge_patch(_decoded(refused.value), self.patches[name]))
        return None


def load_repairs(patch: Path | None, repaired: Path | None) -> Repairs:
    """Read `--patch` (a JSON object: name → merge patch) and `--repaired` (NDJSON).

    A line of NDJSON is the repaired event, found by its event_id, or `{"coordinate": …, "event": {…}}`.

    Raises:
        DataError: a file is not of that form.
    """
    try:
        patches = json.loads(patch.read_text(encoding="utf-8")) if patch else {}
        lines = repaired.read_text(encoding="utf-8").splitlines() if repaired else []
        events = dict(map(_named, map(json.loads, filter(str.strip, lines))))
        return Repairs(dict(patches), events)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(f"The repairs cannot be read ({exc!r}).", "See `replay_dlq --help` for their form.") from exc


def coordinate(refused: Received) -> str:
    """`topic/partition/offset` of the refused event in its source topic."""
    parts = (refused.headers.get(f"source_{name}", b"?").decode() for name in ("topic", "partition", "offset"))
    return "/".join(parts)


def names_of(refused: Received) -> list[str]:
    """The names by which a repair may be given, the coordinate first: it names one record alone."""
    document = _decoded(refused.value)
    event_id = document.get("event_id") if isinstance(document, dict) else None
    return [coordinate(refused), *([event_id] if isinstance(event_id, str) else [])]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: objects merge, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _named(line: dict[str, Any]) -> tuple[str, Any]:
    if "coordinate" in line:
        return line["coordinate"], line["event"]
    return line["event_id"], line


def _decoded(value: bytes | None) -> Any:
    try:
        return json.loads(value or b"")
    except ValueError:
        return None


def _encode(event: Any) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
