"""Why an event is refused: the closed set that DLQ headers, quarantine rows and counters use."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

# A producer's clock may run ahead of the broker's by this much; beyond it an event claims to be from the future.
MAX_CLOCK_LEAD_SECONDS: Final = 300


class RejectReason(StrEnum):
    """Reasons in the order in which they are looked for; the first that holds is the one reported."""

    SIZE = "SIZE"  # over 1 MiB, nested deeper than 32, or over 100,000 objects and arrays
    PARSE = "PARSE"  # not one JSON text in UTF-8: empty, tombstone, BOM, NaN, a repeated key
    SCHEMA = "SCHEMA"  # not an instance of the topic's JSON Schema
    SEMANTIC = "SEMANTIC"  # fields that contradict each other
    FUTURE = "FUTURE"  # event_time over 5 minutes after arrival; judged by the streams, which know the arrival
    ID_CONFLICT = "ID_CONFLICT"  # another payload under an event_id already taken; judged by silver
    PROCESSING = "PROCESSING"  # accepted by its contract, but a step of its consumer failed on it, three times


class Refusal(NamedTuple):
    """A reason and its detail: for SCHEMA and SEMANTIC `<path>: <message>`, at most 300 characters."""

    reason: RejectReason
    detail: str
