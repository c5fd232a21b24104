from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from model_serving.fastapi_server.app import create_app
from model_serving.fastapi_server.bootstrap import Services, bootstrap
from model_serving.tokens import Scope, mint
from shared_utils.settings import AuthSettings
from tests.fakes.api_client import ApiClient
from tests.fakes.serving import World, make_world

Get = Callable[..., httpx.Response]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
def services(world: World) -> Services:
    return bootstrap(world.settings, world.adapters)


@pytest.fixture
def client(world: World, services: Services) -> Iterator[ApiClient]:
    with ApiClient(create_app(world.settings, services)) as open_client:
        yield open_client


@pytest.fixture
def token() -> str:
    import time

    return mint(AuthSettings(), list(Scope), 600, subject="tests", now=time.time())


@pytest.fixture
def get(client: ApiClient, token: str) -> Get:
    def call(path: str, **query: object) -> httpx.Response:
        return client.get(path, params=query, headers={"Authorization": f"Bearer {token}"})

    return call
