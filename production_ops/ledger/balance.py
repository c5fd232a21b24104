"""The whole ledger from one set of evidence."""

from __future__ import annotations

from production_ops.ledger.events import judge_bronze, judge_dead_letters, judge_kafka, judge_silver
from production_ops.ledger.features import judge_archive, judge_features
from production_ops.ledger.model import Balance, Evidence, Rules
from production_ops.ledger.placing import place
from production_ops.ledger.visits import judge_sessions


def balance(evidence: Evidence, rules: Rules) -> Balance:
    """Judge every stage that left evidence; the others say why they were not judged."""
    placed, strangers = place(evidence, rules)
    stages = (
        judge_kafka(evidence, placed, strangers, rules),
        judge_bronze(evidence, placed),
        judge_silver(evidence, placed),
        judge_dead_letters(evidence, placed),
        judge_features(evidence, placed, rules),
        judge_sessions(evidence, placed, rules),
        judge_archive(evidence, rules),
    )
    return Balance(len(evidence.sent), stages, rules.demanded)
