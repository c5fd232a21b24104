"""The scan that judges training rows: the newest row that had happened and was known, of three tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from deltalake import write_deltalake

from data_lake.catalog import CUSTOMER_FEATURES, CUSTOMER_PRODUCT_FEATURES, PRODUCT_FEATURES
from feature_store.core.catalogue import load_catalogue
from production_ops.proofs import point_in_time
from production_ops.proofs.result import ProofResult

TABLES = (CUSTOMER_FEATURES, PRODUCT_FEATURES, CUSTOMER_PRODUCT_FEATURES)
FIRST = datetime(2026, 11, 2, tzinfo=UTC)
NOTHING = float("nan")
# The day of the event, the day on which it came in, and what every column of the row says.
ROWS = ((0, 0, 10.0), (2, 9, 20.0), (20, 12, 30.0))
KNOWN: Mapping[int, float] = {-1: NOTHING, 0: 10.0, 5: 10.0, 8: 10.0, 9: 20.0, 15: 20.0, 20: 30.0}


def midnight(day: int) -> datetime:
    return FIRST + timedelta(days=day)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for table in TABLES:
        view = load_catalogue().view(table.name)
        rows = [
            {**dict.fromkeys(view.keys, 1), **dict.fromkeys(view.columns, value),
             "event_timestamp": midnight(event), "created_timestamp": midnight(created)}
            for event, created, value in ROWS
        ]  # fmt: skip
        write_deltalake(table.path(tmp_path), pd.DataFrame(rows))
    return tmp_path


def judged(lake: Path, answers: Mapping[int, float], monkeypatch: pytest.MonkeyPatch, customer: int = 1) -> ProofResult:
    """What the proof says of two implementations that both give these answers, by the day of the question."""
    instants = [midnight(day) for day in answers]
    entities = pd.DataFrame({"customer_id": customer, "product_id": customer, "event_timestamp": instants})
    names = [name for table in TABLES for name in load_catalogue().view(table.name).feature_names]
    given = pd.DataFrame({name: list(answers.values()) for name in names})
    monkeypatch.setattr(point_in_time, "training_set", lambda *_: given)
    monkeypatch.setattr(point_in_time, "AsofTrainingSets", lambda _: Mock(read=lambda _: given))
    return point_in_time.check_point_in_time(lake, Mock(), Mock(), entities)


def test_what_had_happened_and_was_known_is_right(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = judged(lake, KNOWN, monkeypatch)

    assert result.passed
    assert result.findings == ()
    assert result.numbers["values"] > 0


@pytest.mark.parametrize(
    ("day", "answer"), [(5, 20.0), (15, 30.0), (9, 10.0), (0, NOTHING)], ids=["late", "future", "stale", "nothing"]
)
def test_each_wrong_answer_is_found(lake: Path, monkeypatch: pytest.MonkeyPatch, day: int, answer: float) -> None:
    result = judged(lake, {**KNOWN, day: answer}, monkeypatch)

    assert not result.passed
    assert f"at {midnight(day):%F} is {answer:g}" in result.findings[0]


def test_the_row_of_somebody_else_is_no_answer(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not judged(lake, {9: 20.0}, monkeypatch, customer=2).passed
    assert judged(lake, {9: NOTHING}, monkeypatch, customer=2).passed
