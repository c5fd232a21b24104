"""How healthy the stack is, from what its services answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from production_ops.first_page.core.answers import start_of

CORE = "core"


class Health(StrEnum):
    """`HEALTHY` answered well; `RUNS` has a container and nothing that could be asked; `DOWN` answered badly or not.

    `ABSENT` has no container. `UNSEEN` cannot be judged from here: that is no good news.
    """

    HEALTHY = "healthy"
    RUNS = "runs"
    DOWN = "down"
    ABSENT = "absent"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Seen:
    """A service and what was seen of it."""

    name: str
    what: str
    health: Health
    detail: str


@dataclass(frozen=True, slots=True)
class PartSeen:
    """A part of the stack: the services of one Compose profile."""

    name: str
    services: Sequence[Seen]

    @property
    def started(self) -> bool:
        """Whether it is meant to run. The core always is; of another part one container is enough of a sign."""
        return self.name == CORE or any(seen.health not in (Health.ABSENT, Health.UNSEEN) for seen in self.services)

    @property
    def faults(self) -> list[str]:
        """The services that a started part lacks."""
        bad = (Health.DOWN, Health.ABSENT)
        return [seen.name for seen in self.services if seen.health in bad] if self.started else []


def as_json(parts: Sequence[PartSeen]) -> dict[str, Any]:
    """What the page needs of all parts."""
    services = [seen for part in parts if part.started for seen in part.services]
    return {
        "parts": [_part_json(part) for part in parts],
        "healthy": sum(seen.health in (Health.HEALTHY, Health.RUNS) for seen in services),
        "judged": sum(seen.health is not Health.UNSEEN for seen in services),
        "faults": [name for part in parts for name in part.faults],
    }


def _part_json(part: PartSeen) -> dict[str, Any]:
    return {
        "name": part.name,
        "started": part.started,
        "start": start_of(part.name),
        "faults": part.faults,
        "services": [
            {"name": seen.name, "what": seen.what, "health": seen.health.value, "detail": seen.detail}
            for seen in part.services
        ],
    }
