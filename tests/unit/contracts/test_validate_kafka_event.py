"""The validator's verdicts: examples, limits, and that it costs little memory and travels to workers."""

from __future__ import annotations

import pickle
import tracemalloc

import orjson
import pytest

from contracts.reasons import Refusal, RejectReason
from contracts.topics_names import CLICK, TRANSACTION, TYPED_TOPICS, dlq_name
from contracts.validators.json_text import MAX_BYTES
from contracts.validators.validate_kafka_event import MAX_DETAIL_CHARS, Validator
from shared_utils.errors import ContractError
from tests.unit.contracts.examples import BadExample, bad_examples, good_examples

VALIDATORS = {topic: Validator(topic) for topic in TYPED_TOPICS}
VIEW = next(value for topic, name, value in good_examples() if (topic, name) == (CLICK, "view"))


@pytest.mark.parametrize(("topic", "name", "value"), good_examples())
def test_good_example_is_accepted_in_every_spelling(topic: str, name: str, value: bytes) -> None:
    compact = orjson.dumps(orjson.loads(value))
    assert VALIDATORS[topic].reasons([value, compact, b" " + compact]) == [None, None, None], name


@pytest.mark.parametrize("example", bad_examples(), ids=lambda example: example.name)
def test_bad_example_is_refused_for_its_reason_at_its_path(example: BadExample) -> None:
    refusal = VALIDATORS[example.topic].reason(example.value)
    assert refusal is not None
    assert refusal.reason == example.reason
    assert example.path is None or refusal.detail.startswith(f"{example.path}: ")


def test_every_topic_has_examples_of_both_kinds() -> None:
    assert {topic for topic, _, _ in good_examples()} == set(TYPED_TOPICS)
    assert {example.topic for example in bad_examples()} == set(TYPED_TOPICS)
    reasons = {example.reason for example in bad_examples()}
    assert reasons == {RejectReason.PARSE, RejectReason.SIZE, RejectReason.SCHEMA, RejectReason.SEMANTIC}


def test_a_tombstone_is_a_parse_refusal() -> None:
    assert VALIDATORS[CLICK].reason(None) == Refusal(RejectReason.PARSE, "tombstone: the value is null")


def test_size_is_refused_from_one_byte_over_the_limit() -> None:
    full = VIEW + b" " * (MAX_BYTES - len(VIEW))
    refusal = VALIDATORS[CLICK].reason(full + b" ")
    assert VALIDATORS[CLICK].reason(full) is None
    assert refusal is not None
    assert refusal.reason is RejectReason.SIZE


@pytest.mark.parametrize(("depth", "reason"), [(32, RejectReason.SCHEMA), (33, RejectReason.SIZE)])
def test_nesting_is_refused_from_depth_33(depth: int, reason: RejectReason) -> None:
    refusal = VALIDATORS[CLICK].reason(b"[" * depth + b"]" * depth)
    assert refusal is not None
    assert refusal.reason is reason


@pytest.mark.parametrize("number", [b"1" * 5000, b"1e999", b"-" + b"9" * 400])
def test_a_number_no_double_holds_is_refused(number: bytes) -> None:
    refusal = VALIDATORS[CLICK].reason(VIEW.replace(b"1672", number))
    assert refusal is not None
    assert refusal.reason is RejectReason.PARSE


def test_a_detail_is_short_whatever_the_value() -> None:
    event = {**orjson.loads(VIEW), "session_id": "s" * 100_000}
    refusal = VALIDATORS[CLICK].reason(orjson.dumps(event))
    assert refusal is not None
    assert len(refusal.detail) <= MAX_DETAIL_CHARS


@pytest.mark.parametrize(
    "value",
    [
        b"[" * MAX_BYTES,
        b'{"a":' * (MAX_BYTES // 5),
        b"[" + b"[]," * (MAX_BYTES // 3 - 1) + b"0]",
        b"[" + b"[]," * 99_000 + b"0]",
        b"[" + b'"a",' * (MAX_BYTES // 4 - 1) + b"0]",
        b"[" + b"1.5," * (MAX_BYTES // 4 - 1) + b"0]",
        b"{" + b",".join(b'"%d":1' % number for number in range(90_000)) + b"}",
        b"x" * (5 * MAX_BYTES),
    ],
    ids=["open-arrays", "open-objects", "arrays", "fewer-arrays", "texts", "numbers", "keys", "5-MiB"],
)
def test_b3_hostile_values_cost_under_50_mb(value: bytes) -> None:
    tracemalloc.start()
    try:
        assert VALIDATORS[TRANSACTION].reason(value) is not None
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_validator_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(VALIDATORS[TRANSACTION]))  # noqa: S301 - our own bytes
    cases = [value for topic, _, value in good_examples() if topic == TRANSACTION] + [b"{}"]
    assert copy.reasons(cases) == VALIDATORS[TRANSACTION].reasons(cases)


@pytest.mark.parametrize("topic", ["shop.click.v9", dlq_name(CLICK)])
def test_a_topic_without_a_contract_is_an_error(topic: str) -> None:
    with pytest.raises(ContractError):
        Validator(topic)
