"""The page's service: what it answers, and to whom. It reads the stack that runs; one route makes clicks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response

from model_serving.fastapi_server import problems
from model_serving.fastapi_server.problems import ProblemError
from model_serving.tokens import Scope, mint
from production_ops.first_page import evidence, services
from production_ops.first_page.core import health
from production_ops.first_page.core.answers import Answer
from production_ops.first_page.kept import Finder, Kept
from production_ops.first_page.services import World, open_world
from production_ops.first_page.visits import GAP_SECONDS, TooSoonError, Visits, open_shop
from shared_utils.settings import Settings
from shared_utils.time_utils import system_clock, to_rfc3339

PREFIX: Final = "/first-page"
PATIENCE_SECONDS: Final = 1.5
"""So long a question waits for what has to be looked for; then the page asks again."""
_TOKEN_SECONDS: Final = 60
_THREADS: Final = 24


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes use: a finder for each thing to show, and the visits."""

    finders: Mapping[str, Finder]
    visits: Visits
    doors: tuple[Mapping[str, Any], ...]


def bootstrap(settings: Settings, world: World | None = None) -> Services:
    """Everything wired, nothing asked yet."""
    stack = world or open_world(settings)
    # Two pools: a look into the lake that takes its time does not keep the health of the services waiting.
    asking, looking = ThreadPoolExecutor(_THREADS, "ask"), ThreadPoolExecutor(_THREADS, "look")

    def token() -> str:
        scopes = (Scope.RECOMMENDATIONS_READ, Scope.MODELS_READ)
        return mint(settings.auth, scopes, _TOKEN_SECONDS, subject="first-page", now=time.time())

    def finder(name: str, find: Callable[[], Answer], seconds: float) -> Finder:
        return Finder(name, find, seconds, looking)

    login = settings.first_page.airflow_username, settings.first_page.airflow_password.get_secret_value()
    visits = Visits(open_shop(stack, settings, token), looking, done=lambda: path.forget())
    path = finder("path", lambda: evidence.path_of_a_click(settings, visits.event_id), 10)
    return Services(
        finders={
            "health": finder("health", lambda: Answer.shown(health.as_json(services.look(stack, asking))), 3),
            "path": path,
            "runs": finder("runs", lambda: evidence.dag_runs(stack, *login), 5),
            "gate": finder("gate", lambda: evidence.models_gate(stack, settings, token), 10),
            "ledger": finder("ledger", lambda: evidence.books_of_the_lake(settings), 30),
        },
        visits=visits,
        doors=_doors(settings),
    )


def create_app(found: Services) -> FastAPI:
    """The application over its services."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    problems.install(app)

    @app.get("/healthz")
    def read_own_health() -> Response:
        """Whether this process answers; the stack's health is the page's."""
        return _json({"status": "ok"})

    @app.get(f"{PREFIX}/doors")
    def read_doors() -> Response:
        """Where one goes from here."""
        return _json({"doors": found.doors})

    @app.get(f"{PREFIX}/shelf")
    def read_shelf() -> Response:
        """The shelves around the last visit."""
        return _render(Kept(found.visits.answer, system_clock()))

    @app.get(f"{PREFIX}/{{name}}")
    def read_evidence(name: str) -> Response:
        """Health, or the evidence of a step."""
        if name not in found.finders:
            raise ProblemError(404, "There is no such evidence.")
        return _render(found.finders[name].get(PATIENCE_SECONDS))

    @app.post(f"{PREFIX}/visit")
    def begin_visit(request: Request) -> Response:
        """Let a household click. For this page alone, and seldom."""
        if not _is_same_origin(request):
            raise ProblemError(403, "Only this page may do that.")
        try:
            found.visits.begin()
        except TooSoonError as exc:
            raise ProblemError(429, "One visit at a time.", {"Retry-After": f"{GAP_SECONDS:.0f}"}) from exc
        return _json({"status": "begun"}, 202)

    return app


def _is_same_origin(request: Request) -> bool:
    """Every browser names the origin of a POST, and no page of another one can forge it."""
    origin = urlsplit(request.headers.get("origin", ""))
    return bool(origin.netloc) and origin.netloc == request.headers.get("host")


def _render(kept: Kept) -> Response:
    answer = kept.answer
    return _json(
        {
            "state": answer.state.value,
            "why": answer.why,
            "remedy": answer.remedy,
            "as_of": to_rfc3339(kept.as_of),
            "data": answer.data,
        }
    )


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def _doors(settings: Settings) -> tuple[Mapping[str, Any], ...]:
    page = settings.first_page
    doors = (("mlflow", page.mlflow_port), ("prometheus", page.prometheus_port), ("airflow", page.airflow_port))
    return tuple({"name": name, "port": port} for name, port in doors if port)
