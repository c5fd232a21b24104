"""The proofs of the shelf that reacts go red for a shelf that does not, and for every value that is not the lake's."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.topics_names import CUSTOMER_FEATURE
from feature_store.core.live_windows import recent_touches
from feature_store.live_history import customer_minutes_as_of
from feature_store.online_store.archive import FeatureArchive, Taken
from ml_modeling.core.live import Session, live_matrix
from ml_modeling.core.states import Float32Array, FloatArray
from ml_modeling.core.training_set import query_rows
from production_ops.proofs.live_shelf import NAMES, Reaction, live_parity, shelf_reacts
from production_ops.proofs.parity import Reference
from production_ops.proofs.result import ProofResult
from shared_utils.time_utils import day_start, to_rfc3339
from tests.fakes.live_records import customer_event, received, record, touch
from tests.fakes.model_worlds import FIRST_DAY, make_world

DAY = FIRST_DAY + 50
NOW = day_start(DAY)
WORLD = make_world(3, customers=8, products=40, baskets=200)
PRODUCTS = WORLD.products.dimension.product_id
REFERENCE = Reference(WORLD, np.arange(8), PRODUCTS)
CUSTOMER = 2
ALL_TIME = datetime.now(UTC) + timedelta(days=1)
Decision = dict[str, Any]


def score(matrix: Float32Array) -> FloatArray:
    return matrix.sum(axis=1).astype(np.float64)


def archived(lake: Path) -> dict[str, Any]:
    """Two minutes of a customer in the archive; gives the newest event."""
    events = [
        customer_event(CUSTOMER, NOW - timedelta(minutes=ago), products=[touch(int(p), NOW - timedelta(minutes=ago))])
        for ago, p in ((9, PRODUCTS[3]), (4, PRODUCTS[5]))
    ]
    records = [received(record(CUSTOMER_FEATURE, event), offset) for offset, event in enumerate(events)]
    FeatureArchive(lake).append(Taken(records, [1, 2], {(CUSTOMER_FEATURE, 0): 1}))
    return events[-1]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    archived(tmp_path)
    return tmp_path


def decision(lake: Path) -> Decision:
    """What a faithful server says of the first three candidates."""
    minutes = customer_minutes_as_of(lake, CUSTOMER, ALL_TIME)
    recent = None if minutes is None else recent_touches(minutes, NOW)
    copurchase, table = WORLD.snapshot_at(DAY).copurchase, WORLD.products.at(DAY)
    assert recent is not None
    session = Session.of(recent.touches, NOW, PRODUCTS, copurchase)
    assert session is not None
    candidates, matrix = query_rows(WORLD, table, CUSTOMER, DAY, session=session.candidates(copurchase))
    live = live_matrix(session, candidates.product_index, score(matrix), table, copurchase)
    return {
        "customer_id": CUSTOMER,
        "features_as_of": to_rfc3339(NOW),
        "live_as_of": to_rfc3339(NOW),
        "live_event_id": recent.last.event_id,
        "feature_names": list(NAMES),
        "items": [
            {"product_id": int(PRODUCTS[p]), "features": [*matrix[i].tolist(), *live[i].tolist()]}
            for i, p in enumerate(candidates.product_index[:3])
        ],
    }


def parity(lake: Path, served: Decision, known_by: datetime = ALL_TIME) -> ProofResult:
    return live_parity([served], REFERENCE, lake, score, known_by)


def test_a_faithful_decision_equals_the_lake(lake: Path) -> None:
    result = parity(lake, decision(lake))
    assert result.passed, result.findings
    assert result.numbers["values"] == 3 * len(NAMES)
    assert not live_parity([], REFERENCE, lake, score, ALL_TIME).passed  # nothing to look at proves nothing


@pytest.mark.parametrize("name", ["live_viewed_1h", "live_copurchase_1h", "ranker_score", "pair_orders_count"])
def test_a_changed_value_is_named(lake: Path, name: str) -> None:
    served = decision(lake)
    served["items"][1]["features"][NAMES.index(name)] += 1.0
    result = parity(lake, served)
    assert not result.passed
    assert name in result.figure
    assert f"product {served['items'][1]['product_id']}: {name} served" in result.findings[0]


def test_a_clock_an_hour_off_a_lost_minute_and_another_click_turn_it_red(lake: Path) -> None:
    served = decision(lake)
    late = {**served, "live_as_of": to_rfc3339(NOW + timedelta(hours=1))}
    assert not parity(lake, late).passed
    assert not parity(lake, served, known_by=datetime.fromtimestamp(0.001, UTC)).passed  # the newest minute is missing
    assert not parity(lake, {**served, "live_event_id": "00000000-0000-4000-8000-000000000000"}).passed
    assert not parity(lake, {**served, "feature_names": served["feature_names"][:-1]}).passed


def shelf(*products: int, category: str = "TEA") -> dict[str, Any]:
    return {"items": [{"product_id": p, "category": category if p > 100 else "MILK"} for p in products]}


REACTION = Reaction(1, "TEA", (101, 102), "e-1", shelf(1, 2, 3), shelf(101, 102, 1), 40.0)


def test_shelves_that_move_pass() -> None:
    result = shelf_reacts([REACTION, REACTION])
    assert result.passed
    assert "2 of 2 shelves moved; products of the clicked category 0.0 -> 2.0 of 10" in result.figure


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"after": shelf(1, 2, 3)}, "the same as before click e-1"),
        ({"after": shelf(101, 1, 2)}, r"clicked products \[102\] are not on the shelf"),
        ({"wait_ms": None}, "no answer named click e-1 in time"),
        ({"wait_ms": 1_500.0}, None),
    ],
)
def test_a_shelf_that_does_not_move_in_time_turns_it_red(planted: dict[str, Any], said: str | None) -> None:
    result = shelf_reacts([replace(REACTION, **planted)])
    assert not result.passed
    if said is not None:
        assert any(re.search(said, finding) for finding in result.findings)
    assert not shelf_reacts([]).passed
