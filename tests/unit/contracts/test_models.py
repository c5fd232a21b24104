"""The generated models read every good example and write values that the validator accepts."""

from __future__ import annotations

import orjson
import pytest
from pydantic import ValidationError

from contracts.generated.models import MODELS, ClickEvent
from contracts.topics_names import CLICK
from contracts.validators.validate_kafka_event import Validator
from tests.unit.contracts.examples import completed, good_examples


@pytest.mark.parametrize(("topic", "name", "value"), good_examples())
def test_a_good_example_survives_the_model(topic: str, name: str, value: bytes) -> None:
    event = MODELS[topic].model_validate_json(value)
    assert orjson.loads(event.to_value()) == completed(topic, orjson.loads(value)), name
    assert Validator(topic).reason(event.to_value()) is None


def test_a_model_is_frozen_strict_and_closed() -> None:
    value = next(value for topic, name, value in good_examples() if (topic, name) == (CLICK, "view"))
    event = ClickEvent.model_validate_json(value)
    with pytest.raises(ValidationError):
        event.customer_id = 2  # type: ignore[misc]
    for fault in ({"customer_id": "1672"}, {"price_floor": 1}, {"action": "purchase"}):
        with pytest.raises(ValidationError):
            ClickEvent.model_validate_json(orjson.dumps({**orjson.loads(value), **fault}))
