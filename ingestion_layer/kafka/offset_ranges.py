"""A set of offsets as short text (`3-7,9`), so that it fits into the metadata of a committed offset."""

from __future__ import annotations

from collections.abc import Iterable

MAX_METADATA_BYTES = 4_000  # the broker's offset.metadata.max.bytes is 4096


def encode(offsets: Iterable[int]) -> str:
    """Ascending ranges, comma-separated."""
    ranges: list[tuple[int, int]] = []
    for offset in sorted(set(offsets)):
        if ranges and offset == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], offset)
        else:
            ranges.append((offset, offset))
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def decode(text: str) -> set[int]:
    """The set of `encode`."""
    offsets: set[int] = set()
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        offsets.update(range(int(low), int(high or low) + 1))
    return offsets


def advance(position: int, done: set[int]) -> tuple[int, set[int]]:
    """The position after the unbroken run of done offsets from `position`, and what is done beyond it."""
    left = {offset for offset in done if offset >= position}
    while position in left:
        left.remove(position)
        position += 1
    return position, left
