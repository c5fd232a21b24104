from __future__ import annotations

import pytest

from shared_utils.errors import RejectRatioError
from stream_processing.core.tally import Fate, Tally, check_reject_ratio

MIXED: dict[Fate, int] = {
    ("silver", None): 75,
    ("late", None): 3,
    ("duplicate", None): 2,
    ("quarantine", "PARSE"): 15,
    ("quarantine", "SCHEMA"): 5,
}


def test_the_report_adds_batches_up() -> None:
    tally = Tally("shop.click.v1")
    tally.add(MIXED, 1.5)
    tally.add({("silver", None): 10}, 0.5)
    assert tally.report() == {
        "received": 110,
        "silver": 85,
        "late": 3,
        "duplicate": 2,
        "quarantine": {"PARSE": 15, "SCHEMA": 5},
        "batches": 2,
        "seconds": 2.0,
    }


def test_rejects_at_the_limit_pass() -> None:
    check_reject_ratio("shop.click.v1", MIXED, limit=0.2, min_rows=100)


def test_rejects_above_the_limit_stop_the_stream_and_say_why() -> None:
    with pytest.raises(RejectRatioError, match="20 of 100 rows of a batch are refused \\(15 PARSE, 5 SCHEMA\\)"):
        check_reject_ratio("shop.click.v1", MIXED, limit=0.19, min_rows=100)


def test_a_small_batch_proves_nothing() -> None:
    check_reject_ratio("shop.click.v1", {("quarantine", "PARSE"): 99}, limit=0.2, min_rows=100)


def test_an_empty_batch_passes() -> None:
    check_reject_ratio("shop.click.v1", {}, limit=0.0, min_rows=1)
