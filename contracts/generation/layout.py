"""Layout of generated Python text: lines stay under the repository's limit, and equal input gives equal bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Entry = tuple[str, list[str]]

_MAX_LINE: Final = 120
_MAX_CHARS: Final = _MAX_LINE - 10  # indent and quotes


def mapping_of_texts(name: str, entries: Iterable[Entry]) -> str:
    """A constant mapping of texts: each entry's pieces joined by `, `, over as many lines as they need."""
    lines = [f"{name}: Final[Mapping[str, str]] = {{"]
    for key, pieces in entries:
        lines += _entry(key, _chunks(", ".join(pieces)))
    return "\n".join([*lines, "}"]) + "\n"


def _entry(key: str, texts: list[str]) -> list[str]:
    short = f'    "{key}": ("{texts[0]}"),'
    if len(texts) == 1 and len(short) <= _MAX_LINE:
        return [short]
    return [f'    "{key}": (', *(f'        "{text}"' for text in texts), "    ),"]


def _chunks(text: str) -> list[str]:
    """`text` whole if it fits on a line (the formatter would join it), else cut after commas."""
    if len(text) <= _MAX_CHARS:
        return [text]
    parts = [""]
    for column in text.split(", "):
        if len(parts[-1]) + len(column) > _MAX_CHARS:
            parts.append("")
        parts[-1] += column + ", "
    parts[-1] = parts[-1].removesuffix(", ")
    return parts
