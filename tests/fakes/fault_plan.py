"""How far the fault tests go: short in `make test`, whole by `make prove-faults`; every draw hangs on the seed."""

from __future__ import annotations

import os

import pytest

SEED = int(os.environ.get("FAULTS_SEED", "7"))
FULL = os.environ.get("FAULTS_FULL") == "1"

whole_only = pytest.mark.skipif(not FULL, reason="takes minutes: make prove-faults runs it")


def size(short: int, whole: int) -> int:
    """A number of kills or records."""
    return whole if FULL else short
