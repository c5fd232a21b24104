"""What every generated event model has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer

from shared_utils.time_utils import to_rfc3339

Instant = Annotated[AwareDatetime, PlainSerializer(to_rfc3339, return_type=str, when_used="json")]


class Contract(BaseModel):
    """A frozen event without unknown fields; numbers and texts are not converted into each other."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    def to_value(self) -> bytes:
        """The Kafka value: compact JSON in UTF-8, instants in milliseconds with Z."""
        return self.model_dump_json().encode()
