"""`GET /v1/models`."""

from __future__ import annotations

from fastapi import APIRouter, Request

from model_serving.fastapi_server.access import ScopedRoute, requires
from model_serving.fastapi_server.bootstrap import Services
from model_serving.fastapi_server.routes import problems
from model_serving.fastapi_server.schemas import ModelsPublic
from model_serving.tokens import Scope

router = APIRouter(prefix="/v1/models", route_class=ScopedRoute, tags=["models"])


@router.get("", response_model=ModelsPublic, responses=problems(401, 403))
@requires(Scope.MODELS_READ)
async def read_models(request: Request) -> ModelsPublic:
    """The models that serve now."""
    services: Services = request.app.state.services
    return services.served_models()
