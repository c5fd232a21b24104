"""Routes translate and nothing else: parse, call a service, shape the response."""

from __future__ import annotations

from typing import Any

from model_serving.fastapi_server.problems import MEDIA_TYPE
from model_serving.fastapi_server.schemas import ProblemPublic


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the problems that a route may answer with."""
    schema = {"schema": {"$ref": f"#/components/schemas/{ProblemPublic.__name__}"}}
    return {status: {"description": "Problem", "content": {MEDIA_TYPE: schema}} for status in statuses}
