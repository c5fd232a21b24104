"""Which days a run has to compute, over gold with and without a hole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from batch_processing.days_due import days_due, main
from batch_processing.interval import Interval
from data_lake.catalog import CUSTOMER_FEATURES
from shared_utils.errors import ConfigurationError


def gold(root: Path, *days: int) -> Path:
    """A lake whose gold has a customer on these days of November."""
    rows = pa.table({"customer_id": [7] * len(days), "event_date": [date(2026, 11, day) for day in days]})
    write_deltalake(CUSTOMER_FEATURES.path(root), rows, partition_by=["event_date"])
    return root


@pytest.mark.parametrize(
    ("there", "first"),
    [
        ((2, 3, 4), 5),  # the day before is there
        ((2, 3, 4, 5, 6), 5),  # the interval's own days are computed anew
        ((2, 3), 4),  # one day was skipped
        ((2, 4), 3),  # a hole counts from its first day on
        ((2, 5), 3),  # also where the interval itself is there
        ((7, 8), 5),  # history before gold's first day is no hole
    ],
)
def test_a_run_starts_at_the_first_day_that_gold_lacks(tmp_path: Path, there: Sequence[int], first: int) -> None:
    interval = Interval(date(2026, 11, 5), date(2026, 11, 7))

    assert days_due(interval, gold(tmp_path, *there)) == Interval(date(2026, 11, first), interval.end)


def test_without_gold_the_interval_is_due_and_an_empty_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOP_LAKE__ROOT", str(tmp_path))

    assert main(["--start", "2026-11-05", "--end", "2026-11-06"]) == 0
    assert json.loads(capsys.readouterr().out) == {"start": "2026-11-05", "end": "2026-11-06"}
    with pytest.raises(ConfigurationError, match="is empty"):
        main(["--start", "2026-11-05", "--end", "2026-11-05"])
