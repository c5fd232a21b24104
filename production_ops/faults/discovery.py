"""Which tests belong to a fault: their names say so."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_TEST: Final = re.compile(r"^def test_((?:[fbm]\d+_)+)\w+", re.MULTILINE)


def nodes_by_fault(tests: Path, relative_to: Path) -> Mapping[str, list[str]]:
    """Node ids of pytest by fault id; a name may bear several ids (`test_f13_f14_…`)."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        for match in _TEST.finditer(path.read_text(encoding="utf-8")):
            name = match.group(0).removeprefix("def ")
            for fault_id in match.group(1).upper().strip("_").split("_"):
                found[fault_id].append(f"{path.relative_to(relative_to)}::{name}")
    return found
