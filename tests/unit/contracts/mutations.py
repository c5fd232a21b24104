"""Hypothesis strategies: events that are valid, nearly valid, or broken as bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from hypothesis import strategies as st

from tests.unit.contracts.examples import good_examples

Document = dict[str, Any]
Style = Callable[[Any], bytes]

INTERESTING: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, 0.5, -0.0, 1e3, 1e30,
    2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400,
    "", "1", "USD", "EUR", "s" * 64, "s" * 65, "é" * 200, "𝄞" * 201, "a\nb", "\x00", "\\", '":', "NaN",
    float("nan"), float("inf"),
    "search", "impression", "view", "checkout", "approved", "declined", "expired_card", "sale",
    "2026-11-02T14:05:09.120Z", "2026-11-02T14:05:09.120Z\n", "2026-11-02T24:00:00.000Z", "2026-11-02T14:05:09Z",
    "2024-02-29T00:00:00.000Z", "2100-02-28T00:00:00.000Z", "2026-02-29T00:00:00.000Z", "２026-11-02T14:05:09.120Z",
    [], {}, [1], [None], [[]], {"a": 1},
]  # fmt: skip

STYLES: list[Style] = [
    lambda document: json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"),
    lambda document: json.dumps(document).encode(),
    lambda document: json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    lambda document: json.dumps(document, sort_keys=True, separators=(" , ", " : ")).encode(),
]

BROKEN_BYTES: list[bytes] = [
    b"",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b",",
    b":",
    b" ",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\u0000",
    b"0",
    b"-",
]


def documents(topic: str) -> st.SearchStrategy[Document]:
    """A good example of the topic after zero to three mutations."""
    bases = [orjson.loads(value) for name, _, value in good_examples() if name == topic]
    return st.builds(_mutated, st.sampled_from(bases), st.lists(_mutation(bases), max_size=3))


def values(topic: str) -> st.SearchStrategy[bytes]:
    """Such a document as bytes, in one of several spellings, sometimes with a repeated key or a broken byte."""
    texts = st.builds(lambda document, style: style(document), documents(topic), st.sampled_from(STYLES))
    return st.one_of(texts, texts, st.builds(_with_repeated_key, texts, _share()), _broken(texts))


def _broken(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(_with_broken_byte, texts, _share(), st.sampled_from(BROKEN_BYTES), st.integers(0, 2))


def _share() -> st.SearchStrategy[float]:
    return st.floats(0, 1)


def _mutation(bases: list[Document]) -> st.SearchStrategy[tuple[float, str, Any]]:
    others = [value for base in bases for value in base.values()]
    names = sorted({name for base in bases for name in base})
    replacement = st.one_of(st.sampled_from(INTERESTING), st.sampled_from(others), st.integers(), st.text(max_size=5))
    return st.one_of(
        st.tuples(_share(), st.just("replace"), replacement),
        st.tuples(_share(), st.just("remove"), st.none()),
        st.tuples(_share(), st.just("as float"), st.none()),
        st.tuples(_share(), st.just("add"), st.sampled_from([*names, "", "price_floor", '":'])),
        st.tuples(_share(), st.just("double"), st.none()),
    )


def _mutated(base: Document, mutations: list[tuple[float, str, Any]]) -> Document:
    document = copy.deepcopy(base)
    for share, kind, argument in mutations:
        places = list(_places(document))
        if places:
            parent, key = places[min(int(share * len(places)), len(places) - 1)]
            _apply(parent, key, kind, argument)
    return document


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])


def _apply(parent: Any, key: Any, kind: str, argument: Any) -> None:
    if kind == "replace":
        parent[key] = copy.deepcopy(argument)
    elif kind == "remove":
        del parent[key]
    elif kind == "as float" and type(parent[key]) is int and abs(parent[key]) < 2**53:
        parent[key] = float(parent[key])
    elif kind == "add" and isinstance(parent, dict):
        parent[argument] = 1
    elif kind == "double" and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))


def _with_repeated_key(text: bytes, share: float) -> bytes:
    """Insert the first member of some object once more, where the text allows it."""
    starts = [index for index, byte in enumerate(text) if byte == ord("{")]
    if not starts:
        return text
    start = starts[min(int(share * len(starts)), len(starts) - 1)] + 1
    member = text[start : text.find(b",", start) + 1]
    return text[:start] + member + text[start:]


def _with_broken_byte(text: bytes, share: float, piece: bytes, removed: int) -> bytes:
    at = int(share * len(text))
    return text[:at] + piece + text[at + removed :]
