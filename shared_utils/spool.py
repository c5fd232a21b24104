"""Records that could not be delivered, kept on disk in order until they can be."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from shared_utils.errors import ConfigurationError
from shared_utils.records import Record, from_line, to_line


class Spool:
    """A producer's file of undelivered records: replaced as a whole, synced to disk, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Take the file.

        Raises:
            ConfigurationError: another process holds it.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._lock.close()
            raise ConfigurationError(
                f"Another producer named '{path.stem}' runs on {path.parent}.", "Wait for it, or use another name."
            ) from exc

    def read(self) -> list[Record]:
        """The kept records, oldest first; none when there is no file."""
        if not self.path.exists():
            return []
        return [from_line(line) for line in self.path.read_bytes().splitlines()]

    def replace(self, records: Iterable[Record]) -> None:
        """Keep exactly these records; with none, the file goes. Afterwards they survive a crash of the machine.

        Raises:
            OSError: the disk does not take them; what was kept before still is.
        """
        partial = self.path.with_suffix(".partial")
        try:
            with partial.open("w", encoding="ascii") as stream:
                count = sum(stream.write(to_line(record) + "\n") > 0 for record in records)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        if count:
            partial.replace(self.path)
        else:
            partial.unlink()
            self.path.unlink(missing_ok=True)
        _sync_folder(self.path.parent)

    def close(self) -> None:
        """Give the file free for another process."""
        self._lock.close()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
