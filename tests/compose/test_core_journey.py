"""The profile `core` as a user meets it: up, asked, broken, down and up again, gone."""

from __future__ import annotations

import httpx
import pytest

from production_ops.compose_stack import first_start
from tests.fakes.compose_stack import INSTALLATION, ComposeStack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1_500)]

ANYBODY = "/v1/recommendations/1?limit=5"
HOUSEHOLDS = range(1, 2_500)
KILLED = ("serving", "redis", "kafka")
KILLED_ALONE = ("object-store", "postgres", "mlflow", "sail", "feature-writer", "replay", "first-page", "gateway")
HEALTHY_AGAIN_SECONDS = 60.0
DEFAULT_LOGINS = [("admin", "password1234"), ("admin", "password"), ("admin", "admin"), ("mlflow", "mlflow")]


@pytest.fixture(scope="module")
def shelf(stack: ComposeStack, token: str) -> str:
    """The path of the first household's shelf that was loaded."""
    paths = (f"/v1/recommendations/{household}?limit=5" for household in HOUSEHOLDS)
    return next(path for path in paths if not stack.ask(path, token).json()["cold_start"])


def test_everything_is_healthy_and_the_door_is_open(stack: ComposeStack) -> None:
    assert stack.unwell() == []
    assert "Shop data platform" in stack.ask("/").text
    assert stack.ask("/readyz").json() == {"status": "ready"}


def test_a_household_gets_its_own_shelf_for_a_token_alone(stack: ComposeStack, token: str, shelf: str) -> None:
    assert stack.ask(shelf).status_code == 401

    own, anybodys = stack.ask(shelf, token).json(), stack.ask(ANYBODY, token).json()
    assert own["degraded"] is False
    assert len(own["items"]) == 5
    assert own["items"] != anybodys["items"]


@pytest.mark.parametrize("path", ["/", "/readyz", "/nowhere", ANYBODY])
def test_s19_every_answer_carries_the_headers(stack: ComposeStack, path: str) -> None:
    headers = stack.ask(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
    assert headers["server"] == "nginx"


@pytest.mark.parametrize("port", ["url", "mlflow_url", "prometheus_url", "airflow_url"])
def test_s19_a_foreign_name_that_leads_here_reaches_nothing(stack: ComposeStack, port: str) -> None:
    rebound = httpx.get(getattr(stack, port), headers={"Host": "evil.example"}, trust_env=False)

    assert rebound.status_code == 421


def test_s14_mlflow_knows_the_generated_login_alone(stack: ComposeStack) -> None:
    search = f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/get?name=recommender"
    made = first_start.read(INSTALLATION)
    generated = (made["MLFLOW_ADMIN_USERNAME"], made["MLFLOW_ADMIN_PASSWORD"])

    assert [httpx.get(search, auth=login).status_code for login in (None, *DEFAULT_LOGINS)] == [401] * 5
    assert httpx.get(search, auth=generated).json()["registered_model"]["name"] == "recommender"


def test_a_second_up_changes_nothing(stack: ComposeStack) -> None:
    servers = stack.servers()
    before = {name: stack.started_at(name) for name in servers}

    stack.make("up")

    assert {name: stack.started_at(name) for name in servers} == before


def test_killed_services_come_back_within_a_minute(stack: ComposeStack, token: str, shelf: str) -> None:
    before = {name: stack.started_at(name) for name in KILLED}
    for name in KILLED:
        stack.kill(name)

    assert stack.seconds_until_well(HEALTHY_AGAIN_SECONDS) <= HEALTHY_AGAIN_SECONDS
    assert all(stack.started_at(name) != before[name] for name in KILLED)
    assert stack.ask(shelf, token).json()["degraded"] is False


@pytest.mark.parametrize("service", KILLED_ALONE)
def test_any_other_one_is_back_within_a_minute_too(stack: ComposeStack, token: str, shelf: str, service: str) -> None:
    assert stack.seconds_back_after_kill(service, HEALTHY_AGAIN_SECONDS) <= HEALTHY_AGAIN_SECONDS
    assert stack.ask(shelf, token).json()["degraded"] is False


def test_down_and_up_keep_the_data(stack: ComposeStack, token: str, shelf: str) -> None:
    before = stack.ask(shelf, token).json()["items"]

    stack.make("down")
    assert stack.containers() == {}
    stack.make("up")

    assert "Loaded before" in stack.compose("logs", "first-load")
    assert stack.ask(shelf, token).json()["items"] == before
