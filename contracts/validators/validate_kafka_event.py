"""The one verdict on an event, used by producers, streams, batch jobs and tests alike.

Command line: `python -m contracts.validators.validate_kafka_event --topic shop.click.v1 < events.ndjson`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import jsonschema_rs
import orjson

from contracts.reasons import Refusal, RejectReason
from contracts.registry import load_schema, topic
from contracts.validators import json_text
from contracts.validators.integer_literals import fraction_finder
from contracts.validators.semantic_rules import SEMANTIC_RULES
from shared_utils.errors import ContractError

__all__ = ["Refusal", "RejectReason", "Validator", "main"]

MAX_DETAIL_CHARS: Final = 300


def _no_rule(_: Any) -> str | None:
    return None


class Validator:
    """Judges values of one topic. Accepted are exactly the instances of its JSON Schema that hold its semantic rule.

    Safe to share between threads; pickles as its topic name, so that it can travel to Spark workers.
    Raises ContractError for an unknown topic or one without a schema.
    """

    def __init__(self, topic_name: str) -> None:
        stem = topic(topic_name).schema
        if stem is None:
            raise ContractError(f"{topic_name} takes values as received.", "Validate its source topic.")
        schema = load_schema(stem)
        self.topic = topic_name
        self._schema = jsonschema_rs.Draft202012Validator(schema, pattern_options=jsonschema_rs.RegexOptions())
        self._is_valid = self._schema.is_valid
        self._find_fraction = fraction_finder(schema)
        self._semantic_problem = SEMANTIC_RULES.get(topic_name, _no_rule)

    def reason(self, value: bytes | None) -> Refusal | None:
        """Why `value` is refused, or None if it is accepted. Says nothing on its arrival time or on other events."""
        if value is None:
            return Refusal(RejectReason.PARSE, "tombstone: the value is null")
        if len(value) > json_text.MAX_BYTES:
            return Refusal(RejectReason.SIZE, f"{len(value)} bytes are more than {json_text.MAX_BYTES}")
        if json_text.has_too_many_parts(value):
            return Refusal(RejectReason.SIZE, f"more than {json_text.MAX_PARTS} objects and arrays")
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError:
            return _unreadable(value)
        if not self._is_valid(document):
            return self._invalid(value, document)
        return self._contradiction(value, document)

    def reasons(self, values: Iterable[bytes | None]) -> list[Refusal | None]:
        """The verdict on each value, in order."""
        reason = self.reason
        return [reason(value) for value in values]

    def __reduce__(self) -> tuple[type[Validator], tuple[str]]:
        return Validator, (self.topic,)

    def _contradiction(self, value: bytes, document: Any) -> Refusal | None:
        if json_text.has_duplicate_keys(value, document):
            return Refusal(RejectReason.PARSE, "a key stands twice in one object")
        if (path := self._find_fraction(document)) is not None:
            return Refusal(RejectReason.SCHEMA, f"{path}: an integer is written without fraction or exponent")
        if (problem := self._semantic_problem(document)) is not None:
            return Refusal(RejectReason.SEMANTIC, problem)
        return None

    def _invalid(self, value: bytes, document: Any) -> Refusal:
        # A schema-valid document is shallow, so that depth is only looked at here, where speed does not matter.
        if json_text.exceeds_depth(value):
            return _too_deep()
        if json_text.repeats_key(value):
            return Refusal(RejectReason.PARSE, "a key stands twice in one object")
        error = next(self._schema.iter_errors(document))
        return Refusal(RejectReason.SCHEMA, _detail(_path(error.instance_path), error.message))


def _unreadable(value: bytes) -> Refusal:
    if json_text.exceeds_depth(value):
        return _too_deep()
    return Refusal(RejectReason.PARSE, json_text.parse_problem(value)[:MAX_DETAIL_CHARS])


def _too_deep() -> Refusal:
    return Refusal(RejectReason.SIZE, f"nested deeper than {json_text.MAX_DEPTH}")


def _path(parts: Sequence[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "$"


def _detail(path: str, message: str) -> str:
    return f"{path}: {message}"[:MAX_DETAIL_CHARS]


def main(argv: Sequence[str] | None = None) -> int:
    """Validate newline-delimited events from standard input; 0 if all are accepted, else 1."""
    from contracts.validators import command_line

    return command_line.run(argv)


if __name__ == "__main__":
    from shared_utils.cli import run_main

    run_main(main)
