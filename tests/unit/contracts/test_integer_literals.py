"""An integer field holding a float is found wherever it stands; number fields are left alone."""

from __future__ import annotations

import pytest

from contracts.registry import load_schema
from contracts.validators.integer_literals import fraction_finder

FIND_IN_TRANSACTION = fraction_finder(load_schema("transaction_event.v1"))
FIND_IN_DECISION = fraction_finder(load_schema("recommendation_decision.v1"))


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"basket_id": 1.0, "lines": []}, "basket_id"),
        ({"basket_id": 1, "lines": [{"quantity": 1}, {"quantity": 1.0}]}, "lines[1].quantity"),
        ({"basket_id": 1, "lines": [{"quantity": 1}]}, None),
    ],
)
def test_the_path_of_the_float(event: object, path: str | None) -> None:
    assert FIND_IN_TRANSACTION(event) == path


def test_number_fields_may_hold_floats() -> None:
    assert FIND_IN_DECISION({"latency_ms": 1.0, "items": [{"rank": 1, "score": 0.5, "features": [1.0]}]}) is None
