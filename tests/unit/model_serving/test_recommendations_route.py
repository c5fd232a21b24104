from __future__ import annotations

import math
import threading
from datetime import timedelta

import pytest

from contracts.topics_names import RECOMMENDATION_DECISION
from contracts.validators.validate_kafka_event import Validator
from ml_modeling.core.features import FEATURE_NAMES
from model_serving.decisions import to_record
from model_serving.fastapi_server.bootstrap import Services
from model_serving.fastapi_server.schemas import RecommendationsPublic
from model_serving.ports import StockView
from shared_utils.errors import DataError
from tests.fakes.api_client import ApiClient
from tests.fakes.serving import AS_OF, NOW, UNKNOWN_CUSTOMER, World, customer_state, make_bundle, product_ids
from tests.unit.model_serving.conftest import Get

PATH = "/v1/recommendations/{}"


def ids(body: dict) -> list[int]:  # type: ignore[type-arg]
    return [item["product_id"] for item in body["items"]]


def test_a_known_customer_gets_a_ranked_explained_list(get: Get) -> None:
    answer = get(PATH.format(3), limit=12)
    body = answer.json()
    assert answer.status_code == 200
    assert RecommendationsPublic.model_validate_json(answer.content)
    assert [item["rank"] for item in body["items"]] == list(range(1, 13))
    scores = [item["score"] for item in body["items"]]
    assert scores == sorted(scores, reverse=True)
    assert body["model"] == {"name": "recommender", "version": "1"}
    assert body["features_as_of"] == "2026-11-09T00:00:00.000Z"
    assert body["feature_age_seconds"] == (NOW - AS_OF).total_seconds()
    assert (body["degraded"], body["degraded_reasons"], body["cold_start"]) == (False, [], False)
    assert {item["reason"]["source"] for item in body["items"]} <= {"repeat", "copurchase", "popularity"}
    assert all(len(item["reason"]["features"]) == 3 and item["reason"]["text"] for item in body["items"])
    assert answer.headers["x-request-id"] == body["request_id"]


def test_default_limit_and_bounds(get: Get) -> None:
    assert len(get(PATH.format(3)).json()["items"]) == 10
    assert len(get(PATH.format(3), limit=50).json()["items"]) == 50
    for query in ({"limit": 0}, {"limit": 51}, {"limit": "ten"}, {"limt": 5}):
        assert get(PATH.format(3), **query).status_code == 422
    for customer in ("0", "-1", "abc", str(2**63), "1.5"):
        assert get(PATH.format(customer)).status_code == 422


def test_an_unknown_customer_gets_marked_best_sellers(get: Get, services: Services) -> None:
    body = get(PATH.format(UNKNOWN_CUSTOMER)).json()
    assert (body["cold_start"], body["degraded"], len(body["items"])) == (True, False, 10)
    assert body["features_as_of"] is None
    assert services.metrics.value("serving_cold_start_answers_total") == 1


def test_equal_questions_get_equal_answers(get: Get) -> None:
    first, second = get(PATH.format(5)).json(), get(PATH.format(5)).json()
    assert first["items"] == second["items"]


def test_out_of_stock_and_banned_products_are_never_shown(get: Get, world: World, services: Services) -> None:
    before = ids(get(PATH.format(4), limit=10).json())
    world.store.stock = StockView(frozenset(before[:2]), frozenset(before[2:4]))
    services.background[1].turn()
    after = ids(get(PATH.format(4), limit=10).json())
    assert not set(before[:4]) & set(after)
    assert after[:6] == before[4:]


def test_a_dead_store_gives_the_last_list_then_best_sellers(get: Get, world: World, services: Services) -> None:
    before = ids(get(PATH.format(3)).json())
    world.store.break_down()
    known, other = get(PATH.format(3)).json(), get(PATH.format(7)).json()
    assert known["degraded_reasons"] == ["online_store_unreachable", "last_list"]
    assert ids(known) == before
    assert other["degraded_reasons"] == ["online_store_unreachable", "popular_list"]
    assert len(other["items"]) == 10
    assert services.metrics.value("serving_degraded_answers_total", reason="last_list") == 1


def test_the_last_list_obeys_stock_and_is_filled_up(get: Get, world: World, services: Services) -> None:
    before = ids(get(PATH.format(3), limit=5).json())
    world.store.stock = StockView(out_of_stock=frozenset(before[:1]))
    services.background[1].turn()
    world.store.break_down()
    after = ids(get(PATH.format(3), limit=8).json())
    assert after[:4] == before[1:]
    assert len(set(after)) == 8
    assert before[0] not in after


def test_the_breaker_spares_a_dead_store(get: Get, world: World, services: Services) -> None:
    world.store.break_down()
    for _ in range(50):
        assert get(PATH.format(3)).json()["degraded"] is True
    assert world.store.reads == 5
    assert services.metrics.value("serving_breaker_open") == 1


def test_a_hanging_store_is_answered_by_the_deadline(get: Get, world: World, services: Services) -> None:
    before = ids(get(PATH.format(3)).json())
    world.store.gate = threading.Event()
    body = get(PATH.format(3)).json()
    world.store.gate.set()
    assert body["degraded_reasons"] == ["deadline", "last_list"]
    assert ids(body) == before


def test_more_requests_than_places_are_answered_at_once(get: Get, world: World, services: Services) -> None:
    get(PATH.format(3))
    runner = services.runner
    taken = 0
    while runner._places.acquire(blocking=False):
        taken += 1
    body = get(PATH.format(3)).json()
    runner._places.release(taken)
    assert body["degraded_reasons"] == ["overloaded", "last_list"]
    assert get(PATH.format(3)).json()["degraded"] is False


def test_a_flushed_store_is_degraded_and_not_cold(get: Get, world: World, services: Services) -> None:
    world.store.flush()
    services.background[1].turn()
    assert get(PATH.format(3)).json()["degraded_reasons"] == ["online_store_empty", "popular_list"]


def test_a_damaged_record_costs_only_its_own_customer(get: Get, world: World, services: Services) -> None:
    world.store.failure = DataError("damaged", "x")
    for _ in range(10):
        assert "online_store_damaged" in get(PATH.format(3)).json()["degraded_reasons"]
    world.store.failure = None
    assert get(PATH.format(3)).json()["degraded"] is False


def test_stale_and_torn_features_are_said(get: Get, world: World) -> None:
    world.store.states[3] = customer_state(3, AS_OF - timedelta(days=3))
    world.store.states[4] = customer_state(4, torn=True)
    assert get(PATH.format(3)).json()["degraded_reasons"] == ["features_stale", "features_torn"]
    assert get(PATH.format(4)).json()["degraded_reasons"] == ["features_torn"]


def test_without_a_product_table_best_sellers_of_the_model_answer(world: World, services: Services, token: str) -> None:
    from model_serving.fastapi_server.app import create_app

    world.store.break_down()
    with ApiClient(create_app(world.settings, services)) as client:
        headers = {"Authorization": f"Bearer {token}"}
        body = client.get(PATH.format(3), headers=headers).json()
        assert client.get("/readyz").status_code == 200
    assert (len(body["items"]), body["degraded"]) == (10, True)


def test_without_any_model_the_answer_is_503_with_retry(world: World, services: Services, token: str) -> None:
    from model_serving.fastapi_server.app import create_app

    world.registry.down = True
    with ApiClient(create_app(world.settings, services)) as client:
        answer = client.get(PATH.format(3), headers={"Authorization": f"Bearer {token}"})
        assert (client.get("/readyz").status_code, client.get("/healthz").status_code) == (503, 200)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_model_that_turns_to_nan_is_not_shown(get: Get, services: Services) -> None:
    shelf = services.live.current
    assert shelf is not None
    shelf.model.scorer.weights[:] = math.nan  # type: ignore[attr-defined]
    assert get(PATH.format(3)).json()["degraded_reasons"] == ["scoring_failed", "popular_list"]


def test_every_answer_is_a_contract_valid_decision_with_the_served_values(get: Get, world: World) -> None:
    shown = [get(PATH.format(c), limit=5).json() for c in (1, 2, UNKNOWN_CUSTOMER)]
    world.store.break_down()
    shown += [get(PATH.format(c)).json() for c in (1, 9)]
    deadline = threading.Event()
    while len(world.sink.records) < len(shown):
        assert not deadline.wait(0.01)
    validator = Validator(RECOMMENDATION_DECISION)
    import json

    for body, record in zip(shown, world.sink.records, strict=True):
        assert validator.reason(record.value) is None
        event = json.loads(record.value or b"")
        assert record.key == str(body["customer_id"]).encode()
        assert event["request_id"] == body["request_id"]
        assert [(i["product_id"], i["score"]) for i in event["items"]] == [
            (i["product_id"], i["score"]) for i in body["items"]
        ]
        for shown_item, item in zip(body["items"], event["items"], strict=True):
            values = dict(zip(event["feature_names"], item["features"], strict=True))
            assert all(values[f["name"]] == f["value"] for f in shown_item["reason"]["features"])
    assert tuple(json.loads(world.sink.records[0].value or b"")["feature_names"]) == FEATURE_NAMES
    assert to_record.__doc__


def test_products_come_with_their_labels(get: Get) -> None:
    labelled = set(product_ids()[:200].tolist())
    for item in get(PATH.format(3), limit=50).json()["items"]:
        known = item["product_id"] in labelled
        assert (item["name"], item["category"]) == (
            (f"Product {item['product_id']}", "Groceries") if known else (None, None)
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_models_route_names_what_serves(get: Get, world: World, services: Services, seed: int) -> None:
    if seed == 2:
        world.registry.register(make_bundle(2))
        services.background[0].turn()
    body = get("/v1/models").json()
    assert body["stale"] is False
    assert [(m["name"], m["version"], m["alias"]) for m in body["models"]] == [("recommender", str(seed), "champion")]
    assert body["models"][0]["sha256"] == world.registry.versions[str(seed)].tags["artifact_sha256"]
