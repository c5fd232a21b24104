"""Repeated keys and nesting are found exactly."""

from __future__ import annotations

import json

import orjson
import pytest

from contracts.validators.json_text import exceeds_depth, has_duplicate_keys, parse_problem


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":2}',
        '{"a" :1,"a":2}',
        '{"x":[{"a":1,"a":2}]}',
        '{"a":"\\":","a":2}',
        '{"":1,"":2}',
    ],
)
def test_b3_a_repeated_key_is_found(text: str) -> None:
    assert has_duplicate_keys(text.encode(), orjson.loads(text))


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"b":{"a":1}}', '[{"a":1},{"a":1}]', '{"a":"a\\":1"}', '{ "a" : ":" }', '{"A":1,"a":1}', "[1.50]", '"a"'],
)
def test_other_texts_have_none(text: str) -> None:
    assert not has_duplicate_keys(text.encode(), orjson.loads(text))


def test_an_integer_of_many_digits_is_no_error_while_keys_are_counted() -> None:
    text = '{"a": ' + "1" * 300 + "}"
    assert not has_duplicate_keys(text.encode(), orjson.loads(text))


@pytest.mark.parametrize(
    ("document", "too_deep"),
    [(["["] * 40, False), ([[[["]"]]]], False), ({"a": '\\"[' * 40}, False), (json.loads("[" * 33 + "]" * 33), True)],
)
def test_only_brackets_outside_texts_count(document: object, too_deep: bool) -> None:
    assert exceeds_depth(json.dumps(document).encode()) is too_deep


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "empty value"),
        (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b"{", "not JSON: "),
    ],
)
def test_a_parse_problem_says_what_and_where(raw: bytes, problem: str) -> None:
    assert parse_problem(raw).startswith(problem)
