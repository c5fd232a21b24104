from __future__ import annotations

import json

import pytest
import structlog

from model_serving.fastapi_server.bootstrap import Services
from model_serving.fastapi_server.middleware import RequestFrame
from tests.fakes.api_client import ApiClient
from tests.fakes.serving import World
from tests.unit.model_serving.conftest import Get


def test_unknown_paths_and_methods_are_problems(client: ApiClient) -> None:
    for method, path, status in [("GET", "/nope", 404), ("POST", "/v1/models", 405), ("GET", "/docs", 404)]:
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_a_validation_problem_names_the_place_and_not_the_value(get: Get) -> None:
    answer = get("/v1/recommendations/3", limit="<script>")
    assert answer.json()["errors"] == [{"in": "query.limit", "message": answer.json()["errors"][0]["message"]}]
    assert b"script" not in answer.content


def test_a_defect_is_a_plain_500(get: Get, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(services.recommendations, "top_n", planted)
    monkeypatch.setattr(services.recommendations, "fallback", planted)
    with structlog.testing.capture_logs() as logs:
        answer = get("/v1/recommendations/3")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert [entry["event"] for entry in logs] == ["request_defect", "request"]


def test_every_answer_carries_the_safe_headers(client: ApiClient, get: Get) -> None:
    for answer in (get("/v1/recommendations/3"), client.get("/healthz"), client.get("/nope"), client.get("/v1/models")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["server-timing"].startswith("app;dur=")
        assert "server" not in answer.headers


def test_a_request_id_is_taken_over_only_when_harmless(client: ApiClient) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for odd in ("a b", "x" * 65, "a\x1b[31m", 'a"b'):
        assert client.get("/healthz", headers={"X-Request-Id": odd}).headers["x-request-id"] != odd


def test_the_access_log_holds_neither_customer_nor_token(get: Get, token: str) -> None:
    with structlog.testing.capture_logs() as logs:
        get("/v1/recommendations/17")
        get("/v1/recommendations/17")
        get("/v1/recommendations/18")
    lines = [entry for entry in logs if entry["event"] == "request"]
    assert [line["customer"] for line in lines[:2]] == [lines[0]["customer"]] * 2
    assert lines[2]["customer"] != lines[0]["customer"]
    assert {line["route"] for line in lines} == {"/v1/recommendations/{customer_id}"}
    text = json.dumps(lines)
    assert token not in text
    assert "/17" not in text


def test_metrics_use_route_templates(client: ApiClient, get: Get, world: World) -> None:
    get("/v1/recommendations/3")
    client.get("/some/unknown/path/17")
    text = client.get("/metrics").text
    assert 'route="/v1/recommendations/{customer_id}",status="200"' in text
    assert 'route="unknown",status="404"' in text
    assert "path/17" not in text
    assert world.settings.auth.secret.get_secret_value() not in text
    assert RequestFrame.__doc__
