from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batch_processing.interval import Interval
from batch_processing.spark_jobs import output_to_gold
from batch_processing.transforms.copurchase import snapshot_days
from shared_utils.errors import ConfigurationError

MONDAY = (datetime(2026, 11, 2, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (MONDAY - 1, MONDAY, [MONDAY]),
        (MONDAY, MONDAY + 1, []),
        (MONDAY, MONDAY + 7, [MONDAY + 7]),
        (MONDAY - 10, MONDAY, [MONDAY - 7, MONDAY]),
    ],
)
def test_snapshots_are_the_mondays_after_the_start_up_to_the_end(start: int, end: int, expected: list[int]) -> None:
    assert snapshot_days(start, end) == expected


def test_chosen_snapshots_are_mondays_of_the_interval() -> None:
    days = ["--start", "2026-10-01", "--end", "2026-11-02"]
    chosen = output_to_gold.parse([*days, "--copurchase-at", "2026-10-12,2026-11-02"])
    interval = Interval(chosen.start, chosen.end)
    assert output_to_gold._snapshots(chosen, interval) == [MONDAY - 21, MONDAY]
    for outside in ("2026-10-13", "2026-11-09"):
        with pytest.raises(ConfigurationError, match=outside):
            output_to_gold._snapshots(output_to_gold.parse([*days, "--copurchase-at", outside]), interval)
