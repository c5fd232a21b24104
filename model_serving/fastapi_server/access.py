"""Access is denied by default: a route names its scope or says that it is public, or the process does not start."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from model_serving.fastapi_server.problems import ProblemError, forbidden, unauthorized
from model_serving.metrics import ServingMetrics
from model_serving.tokens import Scope, TokenRefusedError, TokenVerifier
from shared_utils.errors import ConfigurationError

PUBLIC = "public"
SECURITY_SCHEME = "bearer"
_ATTRIBUTE = "__access__"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def requires(scope: Scope) -> Callable[[Endpoint], Endpoint]:
    """Let only tokens with `scope` reach the endpoint."""
    return _declares(scope.value)


def public(endpoint: Endpoint) -> Endpoint:
    """Let everybody reach the endpoint."""
    return _declares(PUBLIC)(endpoint)


def _declares(access: str) -> Callable[[Endpoint], Endpoint]:
    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, access)
        return endpoint

    return declare


class Guard:
    """Decides on one request's token."""

    def __init__(self, tokens: TokenVerifier, metrics: ServingMetrics) -> None:
        self._tokens = tokens
        self._metrics = metrics

    def admit(self, authorization: list[str], scope: str) -> None:
        """Return if the token may pass. Raises ProblemError: 401 or 403."""
        try:
            if scope not in self._tokens.verify(_bearer(authorization)).scopes:
                raise self._refuse(forbidden(scope))
        except TokenRefusedError as exc:
            raise self._refuse(unauthorized()) from exc

    def _refuse(self, refusal: ProblemError) -> ProblemError:
        self._metrics.refused_tokens.labels(str(refusal.status)).inc()
        return refusal


class ScopedRoute(APIRoute):
    """A route that checks the token before anything of the request is parsed.

    Raises ConfigurationError: its endpoint declares neither a scope nor that it is public.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.access: str | None = getattr(endpoint, _ATTRIBUTE, None)
        if self.access is None:
            raise ConfigurationError(f"The route {path} declares no access.", "Mark it @requires(...) or @public.")
        if self.access != PUBLIC:
            options["openapi_extra"] = {"security": [{SECURITY_SCHEME: [self.access]}]}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """FastAPI's handler behind the token check."""
        handle, scope = super().get_route_handler(), self.access
        if scope is None or scope == PUBLIC:
            return handle

        async def guarded(request: Request) -> Response:
            guard: Guard = request.app.state.guard
            guard.admit(request.headers.getlist("authorization"), scope)
            return await handle(request)

        return guarded


def check_routes(app: FastAPI) -> None:
    """Raise ConfigurationError for a route that got around `ScopedRoute`."""
    for route in app.routes:
        if not isinstance(route, ScopedRoute):
            raise ConfigurationError(
                f"The route {getattr(route, 'path', route)} is not access-checked.",
                "Add it through a router of this app.",
            )


def _bearer(authorization: list[str]) -> str:
    if len(authorization) != 1:
        raise TokenRefusedError
    kind, _, token = authorization[0].partition(" ")
    if kind.lower() != "bearer":
        raise TokenRefusedError
    return token
