from __future__ import annotations

from datetime import date

import pytest

from batch_processing.interval import Interval, interval_of, job_parser
from shared_utils.errors import ConfigurationError


def test_the_end_is_exclusive() -> None:
    assert Interval(date(2026, 1, 31), date(2026, 2, 1)).predicate("d") == "d >= '2026-01-31' AND d < '2026-02-01'"


def test_widening_keeps_both_ends_apart() -> None:
    assert Interval(date(2026, 1, 2), date(2026, 1, 3)).widened(before=1, after=2) == Interval(
        date(2026, 1, 1), date(2026, 1, 5)
    )


@pytest.mark.parametrize("end", [date(2026, 1, 1), date(2025, 12, 31)])
def test_an_empty_interval_is_refused(end: date) -> None:
    with pytest.raises(ConfigurationError):
        Interval(date(2026, 1, 1), end)


def test_both_days_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    parser = job_parser("x", "about")
    assert interval_of(parser.parse_args(["--start", "2026-01-01", "--end", "2026-01-02"])).end == date(2026, 1, 2)
    with pytest.raises(SystemExit):
        parser.parse_args(["--start", "2026-01-01"])
    assert "--end" in capsys.readouterr().err
