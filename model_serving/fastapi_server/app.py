"""The ASGI application of a set of services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from model_serving.fastapi_server import problems
from model_serving.fastapi_server.access import SECURITY_SCHEME, ScopedRoute, check_routes
from model_serving.fastapi_server.bootstrap import Services
from model_serving.fastapi_server.logger import Pseudonyms
from model_serving.fastapi_server.middleware import RequestFrame
from model_serving.fastapi_server.routes import models, operations, recommendations
from model_serving.fastapi_server.schemas import ProblemPublic
from shared_utils.settings import Settings

TITLE, VERSION = "Shop inference API", "1"


def create_app(settings: Settings, services: Services) -> FastAPI:
    """The application; services start and stop with it. Raises ConfigurationError: a route declares no access."""
    app = FastAPI(
        title=TITLE, version=VERSION, openapi_url=None, docs_url=None, redoc_url=None, lifespan=_lifespan(services)
    )
    app.router.route_class = ScopedRoute
    for part in (recommendations, models, operations):
        # Not `include_router`: FastAPI 0.165 hides included routes behind a wrapper, and the check must see each one.
        app.router.routes.extend(part.router.routes)
    check_routes(app)
    problems.install(app)
    app.state.services = services
    app.state.guard = services.guard
    secret = settings.auth.secret.get_secret_value()
    app.add_middleware(RequestFrame, metrics=services.metrics, pseudonyms=Pseudonyms(secret))
    _describe_security(app)
    return app


def _lifespan(services: Services) -> Any:
    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        services.start()
        try:
            yield
        finally:
            services.close()

    return run


def _describe_security(app: FastAPI) -> None:
    document = app.openapi()  # cached by FastAPI, so that what is added here stays
    parts = document.setdefault("components", {})
    parts["securitySchemes"] = {SECURITY_SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    parts.setdefault("schemas", {})[ProblemPublic.__name__] = ProblemPublic.model_json_schema()
