"""Strict reading of one JSON text: UTF-8, no BOM, no repeated key, bounded size and nesting."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
MAX_PARTS: Final = 100_000

_BOM: Final = b"\xef\xbb\xbf"
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class _RepeatedKeyError(ValueError):
    pass


def has_duplicate_keys(raw: bytes, document: Any) -> bool:
    """Whether `raw`, which orjson read as `document`, repeats a key in any object.

    orjson keeps the last of equal keys in silence. A text that equals the serialisation of what was read from it has
    lost none, and nearly every event is such a text; the others (blanks, escapes) are read again by a slower parser.
    """
    return orjson.dumps(document) != raw and repeats_key(raw)


def repeats_key(raw: bytes) -> bool:
    """The same for any valid JSON text, at the price of the slower parser."""
    try:
        # Values do not matter here, and Python would refuse, or take long over, an integer of thousands of digits.
        json.loads(raw.decode(), object_pairs_hook=_check_keys, parse_int=len, parse_float=len)
    except _RepeatedKeyError:
        return True
    return False


def has_too_many_parts(raw: bytes) -> bool:
    """Whether more brackets open than any valid event has, even one whose texts are made of brackets (86,000).

    1 MiB of empty lists costs over 80 MB once it is read; this bounds it before.
    """
    return len(raw) > MAX_PARTS and raw.count(b"{") + raw.count(b"[") > MAX_PARTS


def exceeds_depth(raw: bytes, limit: int = MAX_DEPTH) -> bool:
    """Whether objects and arrays nest deeper than `limit`, without parsing; broken JSON counts by its brackets."""
    if raw.count(b"{") + raw.count(b"[") <= limit:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(raw):
        token = match[0]
        depth += (token in b"{[") - (token in b"}]")
        if depth > limit:
            return True
    return False


def parse_problem(raw: bytes) -> str:
    """One line on why `raw` is not a JSON text."""
    if not raw.strip():
        return "empty value"
    if raw.startswith(_BOM):
        return "starts with a byte order mark"
    try:
        raw.decode()
    except UnicodeDecodeError as exc:
        return f"not UTF-8 at byte {exc.start}"
    return _json_problem(raw)


def _json_problem(raw: bytes) -> str:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        return f"not JSON: {exc}"
    return "not JSON"


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _RepeatedKeyError
