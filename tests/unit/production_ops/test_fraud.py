from __future__ import annotations

from typing import Any

import orjson
import pytest

from contracts.topics_names import FRAUD_ALERT, PAYMENT
from production_ops.proofs.fraud import Score, judge
from production_ops.proofs.fraud_reference import Event, accepted_events, expected_alerts
from production_ops.proofs.fraud_report import delay_line, delays_ms, score_table
from production_ops.proofs.result import ProofResult
from shared_utils.records import Received
from stream_processing.core.fraud_rules import FraudRules, load_rules
from tests.fakes.fraud_events import START_MS, payment

WAIT = 10.0


def trial(card: str, declines: int, start_ms: int) -> list[Event]:
    outcomes = ["declined"] * declines + ["approved"]
    return [payment(start_ms + n, card_token=card, outcome=outcome) for n, outcome in enumerate(outcomes)]


def case(card: str, events: list[Event], *, fires: bool) -> dict[str, Any]:
    return {
        "case_id": f"case-{card}", "pattern": "card_testing", "fires": fires, "story": f"{len(events)} attempts",
        "subject": card, "event_ids": [event["event_id"] for event in events],
    }  # fmt: skip


FOUND, MISS, LATE = trial("found", 4, START_MS), trial("miss", 3, START_MS + 100), trial("late", 4, START_MS + 200)
TRUTH = [case("found", FOUND, fires=True), case("miss", MISS, fires=False), case("late", LATE, fires=True)]


def payments(late_ms: int = 0) -> list[Received]:
    """All of them at once, but for the third decline of the late case."""
    sent = [(int(n == 2 and card == "late") * late_ms, event) for card, events in
            (("found", FOUND), ("miss", MISS), ("late", LATE)) for n, event in enumerate(events)]  # fmt: skip
    at = START_MS + 1000
    ordered = sorted(sent, key=lambda pair: pair[0])
    return [Received(PAYMENT, b"1", orjson.dumps(event), at + ms, {}, 0, n) for n, (ms, event) in enumerate(ordered)]


def said(records: list[Received], rules: FraudRules | None = None) -> list[Received]:
    alerts = expected_alerts(rules or load_rules(), accepted_events(records, WAIT), [])
    return [
        Received(FRAUD_ALERT, b"1", orjson.dumps(alert), START_MS + 2000, {}, 0, n) for n, alert in enumerate(alerts)
    ]


def verdict(
    alerts: list[Received], records: list[Received], rules: FraudRules | None = None
) -> tuple[ProofResult, Score]:
    result, scores = judge(TRUTH, alerts, records, [], rules or load_rules(), WAIT)
    return result, scores[0]


def test_all_found_is_a_pass() -> None:
    result, score = verdict(said(payments()) * 2, payments())  # at least once: copies do not count
    assert result.passed, result.findings
    assert (score.planted, score.found, score.alerts, score.near_misses_fired) == (2, 2, 2, 0)
    assert (score.precision, score.recall) == (1.0, 1.0)


def test_a_case_whose_event_came_late_is_excused_with_the_reason() -> None:
    result, score = verdict(said(payments(late_ms=60_000)), payments(late_ms=60_000))
    assert result.passed, result.findings
    assert (score.found, score.recall) == (1, 0.5)
    assert "case-late" in score.excused[0]
    assert "came 61 s after it happened" in score.excused[0]


@pytest.mark.parametrize(("declines", "word"), [(6, "was missed"), (3, "fired")])
def test_a_rule_that_is_broken_turns_the_proof_red(declines: int, word: str) -> None:
    rules = load_rules()
    broken = rules.model_copy(update={"card_testing": rules.card_testing.model_copy(update={"declines": declines})})
    result, _ = verdict(said(payments(), broken), payments(), broken)
    assert not result.passed
    assert any(word in finding for finding in result.findings)


@pytest.mark.parametrize(("change", "word"), [
    ({"amount_cents": 1}, "differs"), ({"alert_id": "0" * 64}, "said by the detector alone"),
    ({"amount_cents": -1}, "is refused"),
])  # fmt: skip
def test_an_alert_that_brute_force_does_not_give_is_a_finding(change: dict[str, Any], word: str) -> None:
    first, *others = said(payments())
    forged = Received(FRAUD_ALERT, b"1", orjson.dumps({**orjson.loads(first.value or b""), **change}), 1, {}, 0, 9)
    result, _ = verdict([forged, *others], payments())
    assert not result.passed
    assert any(word in finding for finding in result.findings)


def test_a_lost_alert_is_a_finding() -> None:
    result, _ = verdict(said(payments())[1:], payments())
    assert not result.passed
    assert any("not said" in finding for finding in result.findings)


def test_nothing_found_is_no_pass() -> None:
    assert not judge([], [], [], [], load_rules(), WAIT)[0].passed


def test_the_delay_is_from_the_last_events_record_to_the_first_alert() -> None:
    alerts = said(payments())
    later = [Received(r.topic, r.key, r.value, (r.timestamp_ms or 0) + 5, {}, 0, 9) for r in alerts]
    delays = delays_ms([*alerts, *later], payments())
    assert delays == [1000, 1000]
    assert "p50 1,000 ms" in delay_line(delays)
    assert "not measurable" in delay_line([10**9])


def test_the_table_has_a_row_a_pattern() -> None:
    assert score_table(judge(TRUTH, said(payments()), payments(), [], load_rules(), WAIT)[1]).row_count == 5
