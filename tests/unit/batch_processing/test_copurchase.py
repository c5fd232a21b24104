from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batch_processing.transforms.copurchase import snapshot_days

MONDAY = (datetime(2026, 11, 2, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days


@pytest.mark.parametrize(
    ("start", "end", "weeks", "expected"),
    [
        (MONDAY - 1, MONDAY, 4, [MONDAY]),
        (MONDAY, MONDAY + 1, 4, []),
        (MONDAY, MONDAY + 7, 4, [MONDAY + 7]),
        (MONDAY - 30, MONDAY, 2, [MONDAY - 7, MONDAY]),
    ],
)
def test_snapshots_are_the_mondays_after_the_start_up_to_the_end(
    start: int, end: int, weeks: int, expected: list[int]
) -> None:
    assert snapshot_days(start, end, weeks) == expected
