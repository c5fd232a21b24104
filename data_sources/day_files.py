"""An archive's files: gzipped NDJSON, one file a UTC day, with the same bytes whenever it is written."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import date
from pathlib import Path

# Level 3 halves the time of level 6 and costs a tenth more bytes.
_GZIP_LEVEL = 3


def remove_day_files(out: Path, name: str) -> None:
    """Remove what an earlier calendar wrote."""
    for stale in out.glob(f"day=*/{name}"):
        stale.unlink()


def write_day_file(out: Path, day: date, name: str, values: Sequence[bytes]) -> None:
    """Write `OUT/day=YYYY-MM-DD/NAME`, one value a line."""
    folder = out / f"day={day}"
    folder.mkdir(parents=True, exist_ok=True)
    # mtime=0: the time of writing would otherwise be part of the bytes.
    packed = gzip.compress(b"\n".join(values) + b"\n", compresslevel=_GZIP_LEVEL, mtime=0)
    (folder / name).write_bytes(packed)
