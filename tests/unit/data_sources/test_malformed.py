from __future__ import annotations

import orjson
import pytest

from contracts.topics_names import SHOP_TOPICS
from contracts.validators.validate_kafka_event import Validator
from data_sources.events import Events
from data_sources.malformed import Malformation, malformations

CASES = [pytest.param(topic, kind, id=f"{topic}-{kind.name}") for topic in SHOP_TOPICS for kind in malformations(topic)]


@pytest.mark.parametrize(("topic", "kind"), CASES)
def test_the_validator_refuses_each_kind_for_its_reason(
    topic: str, kind: Malformation, clean: dict[str, Events]
) -> None:
    for value in (clean[topic].values[0], clean[topic].values[-1]):
        assert value is not None
        refusal = Validator(topic).reason(kind.spoil(orjson.loads(value)))
        assert refusal is not None
        assert refusal.reason is kind.reason


def test_names_are_unique_in_a_topic() -> None:
    for topic in SHOP_TOPICS:
        names = [kind.name for kind in malformations(topic)]
        assert len(names) == len(set(names)) >= 17
