"""The shelf reacts: views and adds of the last hour move the next answer, and the decision says what moved it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from contracts.topics_names import RECOMMENDATION_DECISION
from contracts.validators.validate_kafka_event import Validator
from feature_store.core.live_packing import minute_of, pack_customer_minute, unpack_customer_minutes
from feature_store.core.live_windows import CustomerMinutes
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.live import LIVE_FEATURE_NAMES
from model_serving.fastapi_server.bootstrap import Services
from model_serving.fastapi_server.schemas import RecommendationsPublic
from shared_utils.errors import DataError
from tests.fakes.live_records import TRACE, customer_event, touch
from tests.fakes.serving import NOW, World, make_bundle, product_ids
from tests.fakes.serving_process import wait_until
from tests.unit.model_serving.conftest import Get

CUSTOMER = 3
PATH = f"/v1/recommendations/{CUSTOMER}"
WEIGHTS = (1.0, 50.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


def minutes(*touched: tuple[int, str], minutes_ago: int = 3, trace: str | None = TRACE) -> CustomerMinutes:
    """One minute of a customer, with its touches."""
    start = NOW - timedelta(minutes=minutes_ago)
    event = customer_event(CUSTOMER, start, products=[touch(product, start, action) for product, action in touched])
    blob = pack_customer_minute(event, 0, 0, None if trace is None else trace.encode())
    return unpack_customer_minutes({minute_of(event): blob})


@pytest.fixture
def reacting(world: World, services: Services) -> World:
    """The shop with a model that has a second stage."""
    world.registry.register(make_bundle(1, live_feature_names=LIVE_FEATURE_NAMES, live_weights=WEIGHTS))
    services.background[0].turn()
    return world


def ids(body: dict[str, Any]) -> list[int]:
    return [item["product_id"] for item in body["items"]]


def decisions(world: World, wanted: int) -> list[dict[str, Any]]:
    wait_until(lambda: len(world.sink.records) >= wanted, "decisions", 5)
    return [json.loads(record.value or b"") for record in world.sink.records]


def test_a_viewed_product_comes_first_with_its_reason(get: Get, reacting: World) -> None:
    before = get(PATH).json()
    wanted = next(int(p) for p in product_ids() if int(p) not in ids(before))
    reacting.store.minutes[CUSTOMER] = minutes((wanted, "view"))
    answer = get(PATH)
    after = answer.json()
    assert RecommendationsPublic.model_validate_json(answer.content)
    assert ids(after)[0] == wanted
    assert after["items"][0]["reason"]["source"] == "session"
    assert after["items"][0]["reason"]["text"] == "You just looked at this."
    assert after["items"][0]["reason"]["features"][0]["name"] == "live_viewed_1h"
    assert after["live_age_seconds"] == 139.0  # the event is 41 s into the minute that began 3 minutes ago
    assert (before["live_event_id"], before["live_age_seconds"]) == (None, None)


def test_what_lies_in_the_cart_is_not_offered(get: Get, reacting: World) -> None:
    before = ids(get(PATH).json())
    reacting.store.minutes[CUSTOMER] = minutes((before[0], "view"), (before[0], "add"), (before[1], "add"))
    after = ids(get(PATH).json())
    assert not set(before[:2]) & set(after)
    assert len(after) == 10


def test_an_hour_later_the_shelf_is_the_nightly_one_but_for_the_day(get: Get, reacting: World) -> None:
    before = ids(get(PATH).json())
    reacting.store.minutes[CUSTOMER] = minutes((before[0], "add"), minutes_ago=61)
    assert before[0] in ids(get(PATH).json())  # the cart rule is over
    reacting.store.minutes[CUSTOMER] = minutes((before[0], "add"), minutes_ago=1_441)
    body = get(PATH).json()
    assert (ids(body), body["live_event_id"]) == (before, None)


def test_a_model_without_a_second_stage_gives_the_nightly_list(get: Get, world: World) -> None:
    before = get(PATH).json()
    world.store.minutes[CUSTOMER] = minutes((int(product_ids()[7]), "view"))
    after = get(PATH).json()
    assert ids(after) == ids(before)
    assert after["live_event_id"] is None
    assert decisions(world, 2)[1]["live_as_of"] is None


@pytest.mark.parametrize("trace", [TRACE, None])
def test_the_decision_names_the_click_and_goes_on_with_its_trace(get: Get, reacting: World, trace: str | None) -> None:
    held = minutes((int(product_ids()[7]), "view"), trace=trace)
    reacting.store.minutes[CUSTOMER] = held
    body = get(PATH).json()
    (event,) = decisions(reacting, 1)
    (record,) = reacting.sink.records
    assert Validator(RECOMMENDATION_DECISION).reason(record.value) is None
    assert event["live_event_id"] == body["live_event_id"] is not None
    assert event["live_as_of"] == "2026-11-09T06:00:00.000Z"
    assert event["feature_names"] == [*FEATURE_NAMES, *LIVE_FEATURE_NAMES]
    for item in event["items"]:
        values = dict(zip(event["feature_names"], item["features"], strict=True))
        live = [values[name] for name in LIVE_FEATURE_NAMES]
        assert item["score"] == pytest.approx(sum(w * v for w, v in zip(WEIGHTS, live, strict=True)))
    sent = record.headers["traceparent"].decode().split("-")
    if trace is not None:
        assert sent[1] == TRACE.split("-")[1]
        assert sent[2] != TRACE.split("-")[2]
    assert (len(sent[1]), len(sent[2]), sent[3]) == (32, 16, "01")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"live_feature_names": ("other",), "live_weights": (1.0,)}, "live features are not the platform's"),
        ({"live_feature_names": LIVE_FEATURE_NAMES, "live_weights": (1.0,)}, "not one number each"),
        ({"live_feature_names": LIVE_FEATURE_NAMES, "live_weights": (float("nan"),) * 8}, "not one number each"),
        ({"live_weights": (1.0,)}, "live features are not the platform's"),
    ],
)
def test_a_second_stage_that_the_server_does_not_know_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        make_bundle(1, **fields).check_live(LIVE_FEATURE_NAMES)
