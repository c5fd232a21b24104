"""Bearer tokens: HS256 JWT access tokens (RFC 9068 `at+jwt`), minted and verified with one shared secret.

Strict on purpose: one algorithm, two header parameters, every claim required. joserfc's `decode` accepts an expired
token until its claims registry runs, so both run in one function here. Token times are wall-clock times, also where
features are read at a simulated now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jwt import JWTClaimsRegistry

from model_serving.core.lru import LruMap
from shared_utils.settings import AuthSettings

ALGORITHM = "HS256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 (a media type)
MAX_TOKEN_BYTES = 8 * 1024
_HEADER = {"alg": ALGORITHM, "typ": TOKEN_TYPE}
_CACHED_TOKENS = 1024


class Scope(StrEnum):
    """What a token may do."""

    RECOMMENDATIONS_READ = "recommendations:read"
    MODELS_READ = "models:read"


class TokenRefusedError(Exception):
    """The token is not one of ours, or not valid now. Callers are told no more than that."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `expires_at` and `not_before` are Unix seconds."""

    subject: str
    scopes: frozenset[str]
    expires_at: int
    not_before: int


class TokenVerifier:
    """Verifies tokens. A signature is checked once and remembered; the times are checked at every call."""

    def __init__(self, settings: AuthSettings, now: Callable[[], float] = time.time) -> None:
        self._key = _key(settings)
        self._now = now
        self._claims = JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=0,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            sub={"essential": True, "allow_blank": False},
            exp={"essential": True},
        )
        self._verified: LruMap[str, Principal] = LruMap(_CACHED_TOKENS)

    def verify(self, token: str) -> Principal:
        """The principal of a token. Raises TokenRefusedError."""
        if not token or len(token) > MAX_TOKEN_BYTES:
            raise TokenRefusedError
        principal = self._verified.get(token) or self._decode(token)
        now = self._now()
        if not principal.not_before <= now < principal.expires_at:
            self._verified.drop(token)
            raise TokenRefusedError
        self._verified.put(token, principal)
        return principal

    def _decode(self, token: str) -> Principal:
        try:
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
            # No kid, jku, jwk, x5u or crit: a token that tells us where to find its key is refused unread.
            if decoded.header != _HEADER:
                raise TokenRefusedError
            self._claims.validate(decoded.claims)
            return _principal(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as exc:
            raise TokenRefusedError from exc


def mint(settings: AuthSettings, scopes: Iterable[Scope], ttl_seconds: int, *, subject: str, now: float) -> str:
    """A signed token for `subject` that is good from `now` (Unix seconds) for `ttl_seconds`."""
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": subject,
        "iat": int(now),
        "exp": int(now) + ttl_seconds,
        "scope": " ".join(sorted(scopes)),
    }
    return jwt.encode(_HEADER, claims, _key(settings), algorithms=[ALGORITHM])


def _principal(claims: dict[str, Any]) -> Principal:
    scope, subject = claims["scope"], claims["sub"]
    times = claims["exp"], claims.get("nbf", 0)
    if not isinstance(scope, str) or not isinstance(subject, str) or not all(type(t) is int for t in times):
        raise TokenRefusedError
    return Principal(subject, frozenset(scope.split()), *times)


def _key(settings: AuthSettings) -> OctKey:
    return OctKey.import_key(settings.secret.get_secret_value())
