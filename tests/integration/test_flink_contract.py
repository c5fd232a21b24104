"""The contract in Flink's JVM gives the verdicts of the Python validator: examples, malformed events, mutations."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from contracts.registry import CONTRACTS_DIR, load_schema
from contracts.registry import topic as topic_of
from contracts.topics_names import CLICK, SHOP_TOPICS, TRANSACTION, TYPED_TOPICS
from contracts.validators.json_text import MAX_BYTES, MAX_DEPTH, MAX_PARTS
from contracts.validators.semantic_rules import SEMANTIC_RULES
from contracts.validators.validate_kafka_event import Validator
from data_sources.malformed import malformations
from shared_utils.settings import REPO_ROOT
from tests.unit.contracts.examples import bad_examples, good_examples
from tests.unit.contracts.mutations import values

pytestmark = [pytest.mark.flink, pytest.mark.timeout(300)]

JARS = REPO_ROOT / "build" / "jars" / "flink"
CLASS_PATH = f"{JARS}/*:{REPO_ROOT}/.venvs/flink/flink_home/lib/*"
MUTATIONS = 500
ACCEPTED = "ACCEPTED"


def verdicts_of_flink(judged: Sequence[bytes | None], schema: Path, rule: str | None) -> list[str]:
    """The reason or ACCEPTED of each value, from one JVM."""
    frames = (struct.pack(">i", -1 if value is None else len(value)) + (value or b"") for value in judged)
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", CLASS_PATH, "shop.flink.ContractCommand"]
    arguments = [str(schema), *([rule] if rule else [])]
    done = subprocess.run([*command, *arguments], input=b"".join(frames), capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()[-3_000:]
    return done.stdout.decode().split()


def verdicts_of_python(judged: Sequence[bytes | None], topic: str) -> list[str]:
    """The same from the platform's validator."""
    return [ACCEPTED if refusal is None else refusal.reason for refusal in Validator(topic).reasons(judged)]


def schema_of(topic: str) -> Path:
    """The file of the topic's schema."""
    return CONTRACTS_DIR / "schemas" / f"{topic_of(topic).schema}.schema.json"


def rule_of(topic: str) -> str | None:
    """The name of the topic's semantic rule."""
    rule = SEMANTIC_RULES.get(topic)
    return None if rule is None else rule.__name__


@cache
def material(topic: str) -> list[bytes | None]:
    """Examples, malformed events, hard texts, and mutated events."""
    good = [value for name, _, value in good_examples() if name == topic]
    judged: list[bytes | None] = [None, *good, *(e.value for e in bad_examples() if e.topic == topic)]
    if topic in SHOP_TOPICS:
        judged += [kind.spoil(json.loads(good[0])) for kind in malformations(topic)]
    judged += [text for value in good for text in hard_texts(value)]

    @settings(
        max_examples=MUTATIONS,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(value=values(topic))
    def collect(value: bytes) -> None:
        judged.append(value)

    collect()
    return judged


def hard_texts(good: bytes) -> list[bytes]:
    """Texts at the edges of JSON, of UTF-8 and of the limits, made of an accepted value."""
    document = json.loads(good)
    number = next(name for name, value in document.items() if type(value) is int)
    text = next(name for name, value in document.items() if type(value) is str)
    numbers = [b"-0", b"0", b"00", b"+1", b"1.", b".5", b"1e0", b"1E+2", b"1e400", b"-1e400", b"Infinity", b"0x1"]
    numbers += [str(2**power + off).encode() for power in (53, 63, 64) for off in (-1, 0, 1)]
    numbers += [b"1" + b"0" * digits for digits in (20, 308, 309, 5_000)]
    texts = [b"\\ud800", b"\\udc00\\ud800", b"\\ud83d\\ude00", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"]
    texts += [b"\t", b"\x00", b"\x7f", b"\\u0000", b"\\x", b"\xef\xbf\xbe", b"a" * 70_000, "\U0001f600".encode() * 64]
    padding = MAX_BYTES - len(good)
    members = json.dumps(document)[1:].encode()
    return [
        *(_with(document, number, value) for value in numbers),
        *(_with(document, text, b'"' + value + b'"') for value in texts),
        *(b'{"' + value + b'":1,' + members for value in texts),
        *(good + b" " * (padding + more) for more in (-1, 0, 1)),
        *(blank + good + blank for blank in (b"\t\r\n ", b"\x0b", b"\xc2\xa0", b"/**/", b"\xef\xbb\xbf", b"\x00")),
        *(b'{"a":' + b"[" * depth + b"]" * depth + b"," + members for depth in (MAX_DEPTH - 1, MAX_DEPTH)),
        b"[" + b"[]," * MAX_PARTS + b"[]]",
        good.decode().encode("utf-16"),
        good.decode().encode("utf-32"),
    ]


def _with(document: dict[str, object], name: str, value: bytes) -> bytes:
    marked = json.dumps({**document, name: "MARK"}).encode()
    return marked.replace(b'"MARK"', value)


@pytest.mark.parametrize("topic", TYPED_TOPICS)
def test_flink_gives_the_validator_s_verdicts(topic: str) -> None:
    judged = material(topic)
    expected = verdicts_of_python(judged, topic)
    found = verdicts_of_flink(judged, schema_of(topic), rule_of(topic))
    differing = [(p, f, (v or b"")[:300]) for v, p, f in zip(judged, expected, found, strict=True) if p != f]
    assert differing == []
    # The comparison says something only if it saw enough of either side.
    assert len(judged) > MUTATIONS
    assert min(expected.count(verdict) for verdict in (ACCEPTED, "PARSE", "SCHEMA")) > MUTATIONS / 50
    assert topic not in SEMANTIC_RULES or "SEMANTIC" in expected


def test_the_comparison_finds_a_rule_that_is_missing() -> None:
    judged = material(TRANSACTION)
    assert verdicts_of_flink(judged, schema_of(TRANSACTION), None) != verdicts_of_python(judged, TRANSACTION)


def test_the_comparison_finds_a_schema_that_is_looser(tmp_path: Path) -> None:
    loose = {**load_schema(str(topic_of(CLICK).schema)), "additionalProperties": True}
    (tmp_path / "loose.json").write_text(json.dumps(loose))
    judged = material(CLICK)
    assert verdicts_of_flink(judged, tmp_path / "loose.json", None) != verdicts_of_python(judged, CLICK)
