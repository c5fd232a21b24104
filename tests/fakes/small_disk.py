"""A disk of a few megabytes that can be filled and freed: a tmpfs, where this machine lets us mount one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """Its mount point."""

    folder: Path

    def fill(self, *, leave_kib: int = 0) -> None:
        """Take all space but so much."""
        size = shutil.disk_usage(self.folder).free - leave_kib * 1024
        with self._ballast.open("wb") as stream:
            stream.write(bytes(size))

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[SmallDisk]:
    """Mount it for the block; skips the test, with mount's own words, where that is not allowed."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command: a full disk cannot be made here")
    if mounted.returncode:
        pytest.skip(f"a full disk cannot be made here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
