from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest

from contracts.topics_names import PAYMENT
from contracts.validators.validate_kafka_event import Validator
from data_sources.calendar import Calendar
from data_sources.complete_journey import Lines
from data_sources.events import Events, rng_of
from data_sources.payments import fraud_plots
from data_sources.payments.fraud_plots import CASES, NEAR_MISSES
from data_sources.payments.generate_payments import generate_payments
from data_sources.payments.plant_fraud import FRAUD_FILE, FraudCase, plant_fraud, write_fraud
from production_ops.proofs.fraud_reference import expected_alerts
from stream_processing.core.fraud_rules import load_rules
from tests.unit.data_sources.conftest import SEED

Planted = tuple[Events, list[FraudCase]]


@pytest.fixture(scope="module")
def planted(live_lines: Lines, calendar: Calendar) -> Planted:
    return plant_fraud(generate_payments(live_lines, SEED), calendar, SEED)


@pytest.fixture(scope="module")
def payments(planted: Planted) -> dict[str, dict[str, Any]]:
    return {event["event_id"]: event for event in map(orjson.loads, planted[0].values)}


def _fired(case: FraudCase, alerts: list[dict[str, Any]]) -> bool:
    return any(
        alert["pattern"] == case.pattern
        and alert["subject"] == case.subject
        and not set(case.event_ids).isdisjoint(alert["event_ids"])
        for alert in alerts
    )


def test_the_rules_fire_on_each_case_and_on_no_near_miss(planted: Planted, payments: dict[str, Any]) -> None:
    alerts = expected_alerts(load_rules(), payments.values(), [])
    wrong = [case for case in planted[1] if _fired(case, alerts) != case.fires]
    assert wrong == []


def test_every_pattern_has_its_cases_edges_and_near_misses(planted: Planted) -> None:
    counts = Counter((case.pattern, case.fires) for case in planted[1])
    for pattern in ("card_testing", "velocity", "impossible_travel"):
        assert counts[pattern, True] == CASES + NEAR_MISSES
        assert counts[pattern, False] >= 2 * NEAR_MISSES
    assert counts["account_takeover", True] > 0
    assert sum("exactly the window" in case.story for case in planted[1]) == 3 * NEAR_MISSES


def test_the_plots_hold_the_thresholds_of_the_rules() -> None:
    rules = load_rules()
    plots = list(fraud_plots.plots(rng_of(1, "test")))
    inside = [p.steps[-1].after_ms for p in plots if p.fires and p.known is None]
    assert max(inside) == 1000 * rules.card_testing.within_seconds - 1
    assert min(p.steps[0].cents for p in plots if p.known and p.fires) == rules.account_takeover.min_amount_cents


def test_planted_payments_are_valid_and_lie_in_the_live_weeks(planted: Planted, calendar: Calendar) -> None:
    events, validator = planted[0], Validator(PAYMENT)
    assert {validator.reason(value) for value in events.values} == {None}
    assert events.event_ms.min() >= calendar.live_start.timestamp() * 1000
    assert events.arrival_ms.max() < calendar.live_end.timestamp() * 1000
    assert len(events.event_ids) == len(set(events.event_ids))


def test_the_truth_names_the_events_in_order(planted: Planted, payments: dict[str, Any]) -> None:
    times = dict(zip(planted[0].event_ids, planted[0].event_ms.tolist(), strict=True))
    for case in planted[1]:
        mine = [times[event_id] for event_id in case.event_ids]
        assert mine == sorted(mine)
        assert (mine[0], mine[-1]) == (case.first_event_ms, case.event_ms)
        assert {payments[event_id]["customer_id"] for event_id in case.event_ids} == {case.customer_id}


def test_cases_share_no_card(planted: Planted, payments: dict[str, Any]) -> None:
    users = defaultdict(set)
    for case in planted[1]:
        for event_id in case.event_ids:
            users[payments[event_id]["card_token"]].add(case.case_id)
    assert max(map(len, users.values())) == 1


def test_a_takeover_follows_enough_payments_of_its_customer(planted: Planted, payments: dict[str, Any]) -> None:
    ordered = sorted(payments.values(), key=lambda event: event["event_time"])
    for case in planted[1]:
        if case.pattern == "account_takeover":
            own = [e for e in ordered if e["customer_id"] == case.customer_id and e["outcome"] == "approved"]
            before = [e["event_id"] for e in own].index(case.event_ids[0])
            assert before == (2 if "too few" in case.story else 3), case


def test_the_truth_is_written_as_it_is(planted: Planted, tmp_path: Path) -> None:
    write_fraud(tmp_path, planted[1])
    rows = pq.read_table(tmp_path / FRAUD_FILE).to_pylist()
    assert [row["case_id"] for row in rows] == [case.case_id for case in planted[1]]
    assert [tuple(row["event_ids"]) for row in rows] == [case.event_ids for case in planted[1]]
    assert [round(row["event_time"].timestamp() * 1000) for row in rows] == [case.event_ms for case in planted[1]]


def test_the_seed_decides(live_lines: Lines, calendar: Calendar, planted: Planted) -> None:
    payments = generate_payments(live_lines, SEED)
    again, other = plant_fraud(payments, calendar, SEED), plant_fraud(payments, calendar, SEED + 1)
    assert (again[0].values, again[1]) == (planted[0].values, planted[1])
    assert np.array_equal(again[0].arrival_ms, planted[0].arrival_ms)
    assert other[1] != planted[1]
