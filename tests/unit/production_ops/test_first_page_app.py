"""The page's service: it never keeps a question waiting, and only its own page may press the button."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from production_ops.first_page.app import Services, bootstrap, create_app
from production_ops.first_page.core.answers import Answer, State
from production_ops.first_page.kept import Finder
from production_ops.first_page.visits import Visits
from shared_utils.errors import DependencyError
from shared_utils.settings import Settings
from tests.fakes.api_client import ApiClient
from tests.fakes.first_page import FakeStack
from tests.fakes.first_page_shop import FakeShop, Held

SOON = 5.0
PAGE = {"origin": "http://api"}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as open_pool:
        yield open_pool


@pytest.fixture
def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture
def client(pool: ThreadPoolExecutor, shop: FakeShop) -> Iterator[ApiClient]:
    finders = {"gate": Finder("gate", lambda: Answer.shown({"passed": True}), 60, pool)}
    with ApiClient(
        create_app(Services(finders, Visits(shop.shop(), Held()), ({"name": "mlflow", "port": 5000},)))
    ) as it:
        yield it


def test_evidence_comes_with_its_time_and_is_not_cached(client: ApiClient) -> None:
    answer = client.get("/first-page/gate")

    assert (answer.json()["state"], answer.json()["data"]) == ("shown", {"passed": True})
    assert answer.json()["as_of"].endswith("Z")
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/first-page/shelf").json()["state"] == "empty"
    assert client.get("/first-page/doors").json() == {"doors": [{"name": "mlflow", "port": 5000}]}
    assert client.get("/first-page/secrets").status_code == 404


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://api.evil.example"}]
)
def test_s19_another_page_may_not_press_the_button(client: ApiClient, shop: FakeShop, headers: dict[str, str]) -> None:
    assert client.request("POST", "/first-page/visit", headers=headers).status_code == 403
    assert client.get("/first-page/visit", headers=PAGE).status_code == 404
    assert client.get("/first-page/shelf").json()["state"] == "empty"


def test_the_button_works_for_the_page_once_at_a_time(client: ApiClient) -> None:
    assert client.request("POST", "/first-page/visit", headers=PAGE).status_code == 202
    assert client.get("/first-page/shelf").json()["state"] == "pending"

    again = client.request("POST", "/first-page/visit", headers=PAGE)
    assert (again.status_code, again.headers["retry-after"]) == (429, "10")


def test_without_flink_the_button_says_so(client: ApiClient, shop: FakeShop) -> None:
    shop.flink = False
    answer = client.request("POST", "/first-page/visit", headers=PAGE)

    assert (answer.status_code, answer.json()["detail"]) == (503, "The part streaming is not started.")


def test_the_whole_service_over_a_stack_that_is_its_core() -> None:
    with ApiClient(create_app(bootstrap(Settings(), FakeStack().world()))) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/first-page/health").json()["data"]["faults"] == []
        assert client.get("/first-page/runs").json()["state"] == "not_started"
        assert client.get("/first-page/shelf").json()["remedy"] == "make up PROFILE=streaming"


def test_a_slow_look_is_pending_and_is_made_once(pool: ThreadPoolExecutor) -> None:
    go, looks = threading.Event(), []

    def find() -> Answer:
        looks.append(1)
        go.wait(SOON)
        return Answer.shown({})

    finder = Finder("slow", find, 60, pool)
    assert [finder.get(0.01).answer.state for _ in range(3)] == [State.PENDING] * 3
    go.set()
    assert finder.get(SOON).answer.state is State.SHOWN
    assert finder.get(0).answer.state is State.SHOWN
    assert len(looks) == 1


def test_what_was_found_is_not_kept_beyond_its_time_and_a_failure_takes_its_place(pool: ThreadPoolExecutor) -> None:
    now, found = [0.0], [Answer.shown({})]

    def find() -> Answer:
        if not found:
            raise DependencyError("Kafka does not answer.", "Start it.")
        return found.pop()

    finder = Finder("path", find, 10, pool, monotonic=lambda: now[0])
    assert finder.get(SOON).answer.state is State.SHOWN
    now[0] = 9.9
    assert finder.get(SOON).answer.state is State.SHOWN
    now[0] = 10.0
    failed = finder.get(SOON).answer
    assert (failed.state, failed.why, failed.remedy) == (State.FAILED, "Kafka does not answer.", "Start it.")


def test_a_defect_is_a_failure_without_the_inside(pool: ThreadPoolExecutor) -> None:
    def find() -> Answer:
        raise ValueError("secret in here")

    answer = Finder("gate", find, 10, pool).get(SOON).answer
    assert answer.state is State.FAILED
    assert "secret" not in answer.why + answer.remedy


def test_forgetting_looks_again(pool: ThreadPoolExecutor) -> None:
    answers = [Answer.shown({"n": 2}), Answer.shown({"n": 1})]
    finder = Finder("path", answers.pop, 60, pool)
    assert finder.get(SOON).answer.data == {"n": 1}
    finder.forget()
    assert finder.get(SOON).answer.data == {"n": 2}
