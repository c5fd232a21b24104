"""The accepted set is the schema-valid set: the fast validator and a slow reference agree on mutated events."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from contracts.reasons import Refusal, RejectReason
from contracts.topics_names import CLICK, TRANSACTION, TYPED_TOPICS
from contracts.validators.validate_kafka_event import Validator
from tests.unit.contracts.examples import bad_examples, good_examples
from tests.unit.contracts.mutations import values
from tests.unit.contracts.reference import accepts

VALIDATORS = {topic: Validator(topic) for topic in TYPED_TOPICS}
FULL = settings(
    max_examples=1000, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.mark.parametrize("topic", TYPED_TOPICS)
def test_b2_mutated_events_get_the_reference_verdict(topic: str) -> None:
    verdicts: list[RejectReason | None] = []

    @FULL
    @given(value=values(topic))
    def agree(value: bytes) -> None:
        refusal = VALIDATORS[topic].reason(value)
        assert (refusal is None) == accepts(topic, value), (value, refusal)
        verdicts.append(refusal.reason if refusal else None)

    agree()
    # The comparison says something only if it saw enough of either side.
    assert len(verdicts) >= 1000
    assert 0.03 < verdicts.count(None) / len(verdicts) < 0.9
    assert {RejectReason.PARSE, RejectReason.SCHEMA} <= set(verdicts)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(value=st.one_of(st.binary(max_size=60), st.text(max_size=30).map(str.encode)))
def test_arbitrary_bytes_are_refused_not_raised(value: bytes) -> None:
    assert VALIDATORS[CLICK].reason(value) is not None


def test_the_reference_agrees_with_every_example() -> None:
    assert all(accepts(topic, value) for topic, _, value in good_examples())
    assert not [example.name for example in bad_examples() if accepts(example.topic, example.value)]


class WithoutDuplicateCheck(Validator):
    """A planted fault: takes the last of repeated keys."""

    def reason(self, value: bytes | None) -> Refusal | None:
        refusal = super().reason(value)
        return None if refusal and "twice in one object" in refusal.detail else refusal


class WithoutIntegerRule(Validator):
    """A planted fault: takes `1.0` for an integer."""

    def __init__(self, topic_name: str) -> None:
        super().__init__(topic_name)
        self._find_fraction = lambda _: None


class WithoutSemanticRule(Validator):
    """A planted fault: takes a total that is not the sum."""

    def __init__(self, topic_name: str) -> None:
        super().__init__(topic_name)
        self._semantic_problem = lambda _: None


@pytest.mark.parametrize(
    ("faulty", "topic"),
    [(WithoutDuplicateCheck, CLICK), (WithoutIntegerRule, CLICK), (WithoutSemanticRule, TRANSACTION)],
)
def test_the_comparison_finds_a_planted_fault(faulty: type[Validator], topic: str) -> None:
    validator = faulty(topic)

    def differs(value: bytes) -> bool:
        return (validator.reason(value) is None) != accepts(topic, value)

    try:
        find(values(topic), differs, settings=FULL)
    except NoSuchExample:
        pytest.fail(f"the comparison does not notice {faulty.__name__}")
