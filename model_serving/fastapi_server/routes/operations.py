"""`/healthz`, `/readyz`, `/metrics`, `/openapi.json`: public, for machines on the inside."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from model_serving.fastapi_server.access import ScopedRoute, public
from model_serving.fastapi_server.bootstrap import Services
from model_serving.fastapi_server.problems import ProblemError
from model_serving.fastapi_server.routes import problems
from model_serving.fastapi_server.schemas import HealthPublic

router = APIRouter(route_class=ScopedRoute, tags=["operations"])


@router.get("/healthz", response_model=HealthPublic)
@public
async def read_health() -> HealthPublic:
    """The process runs. Asks no dependency: a dead store must not restart the API."""
    return HealthPublic(status="ok")


@router.get("/readyz", response_model=HealthPublic, responses=problems(503))
@public
async def read_readiness(request: Request) -> HealthPublic:
    """The process can answer, even if degraded."""
    services: Services = request.app.state.services
    if not services.recommendations.can_answer:
        raise ProblemError(503, "No model is loaded yet.")
    return HealthPublic(status="ready")


@router.get("/metrics", include_in_schema=False)
@public
async def read_metrics(request: Request) -> Response:
    """Prometheus text format."""
    services: Services = request.app.state.services
    return Response(services.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", include_in_schema=False)
@public
async def read_openapi(request: Request) -> Response:
    """The API's description."""
    return Response(orjson.dumps(request.app.openapi()), media_type="application/json")
