"""Errors as `application/problem+json` (RFC 9457), without anything of the inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from shared_utils.errors import DependencyError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class ProblemError(Exception):
    """An answer that is a problem. `detail` is for the caller and holds nothing internal."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def unauthorized() -> ProblemError:
    """The one answer to every token that is not good, so that a caller learns nothing from trying."""
    return ProblemError(401, "A valid bearer token is required.", {"WWW-Authenticate": "Bearer"})


def forbidden(scope: str) -> ProblemError:
    """A good token without the scope."""
    challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
    return ProblemError(403, f"The token lacks the scope {scope}.", {"WWW-Authenticate": challenge})


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: Sequence[Mapping[str, Any]] = ()
) -> Response:
    """The response of a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = list(errors)
    return Response(orjson.dumps(body), status, dict(headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every expected error of `app` with a problem; unexpected ones are the middleware's."""
    app.add_exception_handler(ProblemError, _of_problem)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(DependencyError, _of_dependency)


async def _of_problem(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, ProblemError)  # noqa: S101 (registered for this type)
    return problem(exc.status, exc.detail, exc.headers)


async def _of_http(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101 (registered for this type)
    return problem(exc.status_code, HTTPStatus(exc.status_code).description or "The request failed.", exc.headers)


async def _of_validation(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101 (registered for this type)
    errors = [{"in": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in exc.errors()]
    return problem(422, "The request does not fit the API.", errors=errors)


async def _of_dependency(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, DependencyError)  # noqa: S101 (registered for this type)
    return problem(503, exc.message, {"Retry-After": str(RETRY_AFTER_SECONDS)})
