"""The books of Kafka and the lake, by Kafka coordinate: what came in is in bronze once, and ended in one place.

A stream is always a little behind, so a partition is judged up to the last record that bronze has of it; what lies
beyond waits, and is counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from production_ops.ledger.model import Coordinate

ENDS = ("silver", "duplicate", "late", "quarantine")


@dataclass(frozen=True, slots=True)
class TopicBooks:
    """One topic. `lost` lies in Kafka and should be in the lake; `doubled` is there more than once."""

    topic: str
    sent: int
    waiting: int
    ends: Mapping[str, int]
    lost: int
    doubled: int

    @property
    def judged(self) -> int:
        """Records that the lake has had its turn on."""
        return self.sent - self.waiting


def books(
    topic: str,
    offsets: Mapping[int, tuple[int, int]],
    bronze: Iterable[tuple[int, int]],
    ends: Iterable[tuple[Coordinate, str]],
) -> TopicBooks:
    """The books of a topic.

    Args:
        topic: its name.
        offsets: of each partition the first offset that Kafka still has, and the next one that it will give.
        bronze: partition and offset of each row of bronze that came through Kafka.
        ends: where each coordinate ended, of this topic or others; a row that was written twice stands twice.
    """
    rows = Counter(bronze)
    ended: dict[tuple[int, int], list[str]] = {}
    for (name, partition, offset), fate in ends:
        if name == topic:
            ended.setdefault((partition, offset), []).append(fate.partition(":")[0])
    reach = dict.fromkeys(offsets, 0)
    for partition, offset in rows:
        reach[partition] = max(reach.get(partition, 0), offset + 1)
    expected = {
        (partition, offset) for partition, (first, _) in offsets.items() for offset in range(first, reach[partition])
    }
    places = expected | rows.keys()
    doubled = {place for place in places if rows[place] > 1 or len(ended.get(place, ())) > 1}
    return TopicBooks(
        topic=topic,
        sent=sum(end - first for first, end in offsets.values()),
        waiting=sum(max(end - max(first, reach[partition]), 0) for partition, (first, end) in offsets.items()),
        ends=Counter(fates[0] for place, fates in ended.items() if place in places and len(fates) == 1),
        lost=sum(1 for place in places if not rows[place] or place not in ended),
        doubled=len(doubled),
    )


def as_json(found: Iterable[TopicBooks]) -> dict[str, Any]:
    """All topics, and the verdict. Nothing judged is no balance."""
    topics = [one for one in found if one.sent]
    lost, doubled = (sum(getattr(one, name) for one in topics) for name in ("lost", "doubled"))
    return {
        "topics": [
            {
                "topic": one.topic, "sent": one.sent, "judged": one.judged, "waiting": one.waiting, "lost": one.lost,
                "doubled": one.doubled, **{end: one.ends.get(end, 0) for end in ENDS},
            }
            for one in topics
        ],
        "sent": sum(one.sent for one in topics),
        "judged": sum(one.judged for one in topics),
        "waiting": sum(one.waiting for one in topics),
        "lost": lost,
        "doubled": doubled,
        "balanced": lost == doubled == 0 and any(one.judged for one in topics),
    }  # fmt: skip
