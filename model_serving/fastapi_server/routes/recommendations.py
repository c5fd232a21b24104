"""`GET /v1/recommendations/{customer_id}`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from model_serving.fastapi_server.access import ScopedRoute, requires
from model_serving.fastapi_server.bootstrap import Services
from model_serving.fastapi_server.routes import problems
from model_serving.fastapi_server.schemas import CustomerId, RecommendationQuery, RecommendationsPublic, render
from model_serving.tokens import Scope

router = APIRouter(prefix="/v1/recommendations", route_class=ScopedRoute, tags=["recommendations"])


@router.get("/{customer_id}", response_model=RecommendationsPublic, responses=problems(401, 403, 422, 503))
@requires(Scope.RECOMMENDATIONS_READ)
async def read_recommendations(
    customer_id: CustomerId, query: Annotated[RecommendationQuery, Query()], request: Request
) -> Response:
    """Ranked products for one customer, with the reason for each."""
    services: Services = request.app.state.services
    state = request.state
    ranking = await services.runner.top_n(customer_id, query.limit, state.request_id, state.started)
    return Response(render(ranking), media_type="application/json")
