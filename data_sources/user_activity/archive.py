"""What the click archive is: file by file, and how far it goes back."""

from __future__ import annotations

from typing import Final

CLICK_ARCHIVE_FILE: Final = "clicks.ndjson.gz"
PAST_WEEKS: Final = 2
"""The weeks before the live ones whose clicks it holds."""
