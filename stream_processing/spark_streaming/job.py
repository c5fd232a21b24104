"""What one stream is: a topic, and how its accepted rows become a silver table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame

from data_lake.catalog import BRONZE_OF_TOPIC, SILVER_OF_TOPIC, Table
from data_lake.storage import LakeRoot

# Accepted rows and the lake's root to silver rows. The root is there for dimensions.
ToSilver = Callable[[DataFrame, LakeRoot], DataFrame]


@dataclass(frozen=True)
class StreamJob:
    """A stream from one topic into the lake. `name` is also the name of its checkpoint: changing it starts over."""

    name: str
    topic: str
    to_silver: ToSilver

    @property
    def bronze(self) -> Table:
        """The table of the rows as received."""
        return BRONZE_OF_TOPIC[self.topic]

    @property
    def silver(self) -> Table:
        """The table of the typed rows."""
        return SILVER_OF_TOPIC[self.topic]


def without_dimensions(transform: Callable[[DataFrame], DataFrame]) -> ToSilver:
    """A transform that needs nothing else from the lake."""

    def to_silver(accepted: DataFrame, lake_root: LakeRoot) -> DataFrame:
        return transform(accepted)

    return to_silver
