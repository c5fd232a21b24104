"""When two clicks of a customer belong to the same visit."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

VISIT_GAP: Final = timedelta(minutes=30)
"""Neighbours of a visit are less than this apart."""
