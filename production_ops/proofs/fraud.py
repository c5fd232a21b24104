"""The fraud alerts against the planted truth and against brute force: what was found, what was missed, and why.

A planted case counts as found when an alert of its pattern and subject names one of its events. A miss, or a near miss
that fired, is explained when brute force on the same events *without* the detector's wait would have got it right: then
an event came too late. Anything else, and any alert that brute force does not give, is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from contracts.topics_names import FRAUD_ALERT, PAYMENT
from contracts.validators.validate_kafka_event import Validator
from production_ops.proofs.fraud_reference import Event, accepted_events, epoch_ms, expected_alerts
from production_ops.proofs.result import ProofResult
from shared_utils.records import Received
from stream_processing.core.fraud_rules import FraudRules, Pattern

_SHOWN = 5


@dataclass
class Score:
    """One pattern. `alerts` have ids of their own; `unplanted` are those that name no event of a planted case.

    `excused` says for each missed case, and each near miss that fired, why it is no defect.
    """

    pattern: str
    planted: int = 0
    found: int = 0
    near_misses: int = 0
    near_misses_fired: int = 0
    alerts: int = 0
    unplanted: int = 0
    excused: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float | None:
        """Found of planted; None when nothing is planted."""
        return self.found / self.planted if self.planted else None

    @property
    def precision(self) -> float | None:
        """Alerts about planted cases, of all alerts; None when nothing is planted or said."""
        wrong = self.unplanted + self.near_misses_fired
        return self.found / (self.found + wrong) if self.planted and self.found + wrong else None


def judge(
    truth: Iterable[dict[str, Any]],
    alerts: Iterable[Received],
    payments: Sequence[Received],
    purchases: Sequence[Received],
    rules: FraudRules,
    lateness_seconds: float,
) -> tuple[ProofResult, list[Score]]:
    """The verdict on the alerts, and a score a pattern.

    Args:
        truth: rows of `truth/fraud.parquet`.
        alerts: the records of the alert topic.
        payments: the records of the payment topic, in offset order within each partition.
        purchases: those of the transaction topic.
        rules: what the detector ran on.
        lateness_seconds: how long the detector waits.
    """
    said, findings = _said(alerts)
    in_time = expected_alerts(rules, *(accepted_events(topic, lateness_seconds) for topic in (payments, purchases)))
    complete = expected_alerts(rules, *(accepted_events(topic) for topic in (payments, purchases)))
    unequal = list(_unequal(said, in_time))
    scores = {pattern: Score(str(pattern)) for pattern in Pattern}
    cases = list(truth)
    planted = {event_id for case in cases for event_id in case["event_ids"]}
    late = _latenesses(payments, planted)
    unexplained = [
        finding for case in cases for finding in _judge_case(case, said, complete, late, scores[case["pattern"]])
    ]
    for alert in said:
        scores[alert["pattern"]].alerts += 1
        scores[alert["pattern"]].unplanted += planted.isdisjoint(alert["event_ids"])
    found, wanted = (sum(getattr(score, name) for score in scores.values()) for name in ("found", "planted"))
    excused = sum(len(score.excused) for score in scores.values())
    result = ProofResult(
        name="fraud patterns",
        figure=(
            f"{found} of {wanted} planted cases found, {excused} excused, {len(unexplained)} not; "
            f"{len(said):,} alerts, {len(unequal)} differ from brute force"
        ),
        bound="all found or excused; 0 differ",
        passed=not (findings or unequal or unexplained) and found > 0,
        findings=tuple([*findings, *unexplained, *unequal][:_SHOWN]),
        numbers={"planted": wanted, "found": found, "excused": excused, "alerts": len(said), "differ": len(unequal)},
    )
    return result, list(scores.values())


def _said(alerts: Iterable[Received]) -> tuple[list[Event], list[str]]:
    """Each alert id once, and what is wrong with the records."""
    validator = Validator(FRAUD_ALERT)
    said: dict[str, Event] = {}
    findings = []
    for record in alerts:
        refusal = validator.reason(record.value)
        if refusal is not None:
            findings.append(f"offset {record.partition}/{record.offset} is refused: {refusal}")
            continue
        alert = orjson.loads(record.value or b"")
        if said.setdefault(alert["alert_id"], alert) != alert:
            findings.append(f"two alerts with the id {alert['alert_id']} differ")
    return list(said.values()), findings


def _unequal(said: Iterable[Event], expected: Iterable[Event]) -> Iterable[str]:
    theirs, ours = ({alert["alert_id"]: alert for alert in alerts} for alerts in (said, expected))
    for alert_id in sorted(theirs.keys() | ours.keys()):
        if alert_id not in theirs:
            yield f"not said: {ours[alert_id]['sentence']} ({alert_id})"
        elif alert_id not in ours:
            yield f"said by the detector alone: {theirs[alert_id]['sentence']} ({alert_id})"
        elif theirs[alert_id] != ours[alert_id]:
            yield f"differs: {theirs[alert_id]} is not {ours[alert_id]}"


def _latenesses(payments: Iterable[Received], event_ids: set[str]) -> dict[str, float]:
    """How many seconds after it happened the first valid record of each of these events came."""
    found: dict[str, float] = {}
    validator = Validator(PAYMENT)
    for record in payments:
        if validator.reason(record.value) is None:
            event = orjson.loads(record.value or b"")
            if event["event_id"] in event_ids:
                came_ms = record.timestamp_ms or 0
                found.setdefault(event["event_id"], (came_ms - epoch_ms(event["event_time"])) / 1000)
    return found


def _judge_case(
    case: dict[str, Any], said: list[Event], complete: list[Event], late: dict[str, float], score: Score
) -> Iterable[str]:
    """Count the case; gives a finding when its outcome is wrong and lateness does not explain it."""
    fired = _fires(case, said)
    score.planted += case["fires"]
    score.found += case["fires"] and fired
    score.near_misses += not case["fires"]
    score.near_misses_fired += fired and not case["fires"]
    if fired == case["fires"]:
        return
    words = f"{case['case_id']} {case['pattern']} ({case['story']}) {'fired' if fired else 'was missed'}"
    if _fires(case, complete) == case["fires"]:
        seconds, event_id = max((late.get(event_id, 0.0), event_id) for event_id in case["event_ids"])
        score.excused.append(f"{words}: event {event_id} came {seconds:,.0f} s after it happened")
    else:
        yield f"{words}: the rules say so even of all its events"


def _fires(case: dict[str, Any], alerts: Iterable[Event]) -> bool:
    return any(
        alert["pattern"] == case["pattern"]
        and alert["subject"] == case["subject"]
        and not set(case["event_ids"]).isdisjoint(alert["event_ids"])
        for alert in alerts
    )
