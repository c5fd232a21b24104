"""An answer to the page: evidence, or in plain words why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from shared_utils.errors import PlatformError


class State(StrEnum):
    """What there is to show. Everything but `SHOWN` says why in words."""

    SHOWN = "shown"
    EMPTY = "empty"
    NOT_STARTED = "not_started"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Answer:
    """`why` and `remedy` are sentences for the reader; `data` is plain JSON values."""

    state: State
    why: str = ""
    remedy: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def shown(cls, data: Mapping[str, Any]) -> Self:
        """Evidence."""
        return cls(State.SHOWN, data=data)

    @classmethod
    def empty(cls, why: str, remedy: str) -> Self:
        """The place where evidence would lie was read, and there is none yet."""
        return cls(State.EMPTY, why, remedy)

    @classmethod
    def not_started(cls, part: str) -> Self:
        """A part of the stack that is not there."""
        return cls(State.NOT_STARTED, f"The part {part} is not started.", start_of(part))

    @classmethod
    def failed(cls, error: PlatformError) -> Self:
        """It could not be read, or what was read is wrong."""
        return cls(State.FAILED, error.message, error.remedy)


def start_of(part: str) -> str:
    """The command that starts a part."""
    return "make up" if part == "core" else f"make up PROFILE={part}"
