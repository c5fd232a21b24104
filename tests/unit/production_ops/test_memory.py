"""The watch sees what this process and its children hold at once."""

from __future__ import annotations

import subprocess
import sys
from unittest.mock import Mock

import psutil

from production_ops.demo.memory import Held, MemoryWatch, Peak, higher

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


def process_of(resident: int, proportional: int) -> Mock:
    process = Mock(psutil.Process)
    process.memory_info.return_value = Mock(rss=resident)
    process.memory_full_info.return_value = Mock(pss=proportional)
    process.cmdline.return_value = ["python", "-m", "job"]
    return process


def test_pages_are_walked_through_only_where_a_new_peak_is_possible() -> None:
    process = process_of(100 * MIB, 60 * MIB)
    assert higher(Peak(100 * MIB), [process], {}) == Peak(100 * MIB)
    process.memory_full_info.assert_not_called()
    assert higher(Peak(80 * MIB), [process], {}) == Peak(80 * MIB)
    assert higher(Peak(50 * MIB), [process], {}) == Peak(60 * MIB, (("job", 60 * MIB),))


def test_pages_are_walked_through_again_only_where_a_process_has_grown_or_shrunk() -> None:
    idle, busy = process_of(100 * MIB, 60 * MIB), process_of(100 * MIB, 60 * MIB)
    walked: dict[psutil.Process, Held] = {}
    peak = higher(Peak(), [idle, busy], walked)
    busy.memory_info.return_value = Mock(rss=102 * MIB)
    busy.memory_full_info.return_value = Mock(pss=62 * MIB)

    assert peak.total_bytes == 120 * MIB
    assert higher(peak, [idle, busy], walked).total_bytes == 122 * MIB
    assert (idle.memory_full_info.call_count, busy.memory_full_info.call_count) == (1, 2)
