"""The watch sees what this process and its children hold at once."""

from __future__ import annotations

import subprocess
import sys

from production_ops.demo.memory import MemoryWatch

MIB = 1024 * 1024
HOLD = "held = bytearray(b'x') * (200 * 1024 * 1024); print('ready', flush=True); input()"


def test_a_child_counts_and_is_named() -> None:
    with MemoryWatch() as memory:
        child = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        while not any(size >= 200 * MIB and "python" in name for name, size in memory.peak.largest):
            assert child.poll() is None
        child.communicate(b"\n")
    assert memory.peak.total_bytes >= 200 * MIB
