"""S1: every token that is not exactly ours is refused on every protected route, with one and the same answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from model_serving.fastapi_server.access import PUBLIC, ScopedRoute, check_routes, public, requires
from model_serving.fastapi_server.bootstrap import Services
from model_serving.tokens import Scope, TokenRefusedError, TokenVerifier, mint
from shared_utils.errors import ConfigurationError
from shared_utils.settings import AuthSettings
from tests.fakes.api_client import ApiClient

SETTINGS = AuthSettings()
SECRET = SETTINGS.secret.get_secret_value().encode()
ROUTES = {"/v1/recommendations/3": "recommendations:read", "/v1/models": "models:read"}
HEADER: dict[str, Any] = {"alg": "HS256", "typ": "at+jwt"}
PUBLIC_KEY = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----"
)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": SETTINGS.issuer,
        "aud": SETTINGS.audience,
        "sub": "tests",
        "iat": now,
        "exp": now + 600,
        "scope": "recommendations:read models:read",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def signed(header: dict[str, Any], body: Any, key: bytes = SECRET, digest: Any = hashlib.sha256) -> str:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    signing = f"{b64(json.dumps(header).encode())}.{b64(text)}"
    return f"{signing}.{b64(hmac.new(key, signing.encode(), digest).digest())}"


def unsigned(header: dict[str, Any]) -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims()).encode())}."


def good() -> str:
    return signed(HEADER, claims())


def flipped(token: str, part: int) -> str:
    parts = token.split(".")
    middle = len(parts[part]) // 2
    letter = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + letter + parts[part][middle + 1 :]
    return ".".join(parts)


NOW = int(time.time())
BAD_TOKENS: dict[str, str] = {
    "empty": "",
    "garbage": "not-a-token",
    "two parts": good().rsplit(".", 1)[0],
    "four parts": good() + ".x",
    "five parts (JWE shape)": "a.b.c.d.e",
    "empty parts": "..",
    "not base64": "###.###.###",
    "alg none": unsigned({"alg": "none", "typ": "at+jwt"}),
    "alg None": unsigned({"alg": "None", "typ": "at+jwt"}),
    "alg NONE with signature": signed({"alg": "NONE", "typ": "at+jwt"}, claims()),
    "alg empty": unsigned({"alg": "", "typ": "at+jwt"}),
    "alg missing": signed({"typ": "at+jwt"}, claims()),
    "alg HS384": signed({"alg": "HS384", "typ": "at+jwt"}, claims(), digest=hashlib.sha384),
    "alg HS512": signed({"alg": "HS512", "typ": "at+jwt"}, claims(), digest=hashlib.sha512),
    "alg RS256": signed({"alg": "RS256", "typ": "at+jwt"}, claims()),
    "alg ES256": signed({"alg": "ES256", "typ": "at+jwt"}, claims()),
    "alg lower case": signed({"alg": "hs256", "typ": "at+jwt"}, claims()),
    "alg a list": signed({"alg": ["HS256"], "typ": "at+jwt"}, claims()),
    "HS256 with a public key": signed(HEADER, claims(), PUBLIC_KEY),
    "wrong key": signed(HEADER, claims(), b"another-secret-of-some-length-0123456789"),
    "empty key": signed(HEADER, claims(), b""),
    "no signature": good().rsplit(".", 1)[0] + ".",
    "changed header": flipped(good(), 0),
    "changed claims": flipped(good(), 1),
    "changed signature": flipped(good(), 2),
    "signature of another": good().rsplit(".", 1)[0] + "." + signed(HEADER, claims(sub="b")).rsplit(".", 1)[1],
    "type JWT (an ID token)": signed({"alg": "HS256", "typ": "JWT"}, claims(nonce="n")),
    "no type": signed({"alg": "HS256"}, claims()),
    "unknown kid": signed({**HEADER, "kid": "nobody"}, claims()),
    "path in kid": signed({**HEADER, "kid": "../../../../dev/null"}, claims(), b""),
    "SQL in kid": signed({**HEADER, "kid": "x' UNION SELECT 'key"}, claims(), b"key"),
    "jku": signed({**HEADER, "jku": "http://127.0.0.1:9/keys"}, claims()),
    "x5u": signed({**HEADER, "x5u": "http://127.0.0.1:9/cert"}, claims()),
    "embedded jwk": signed({**HEADER, "jwk": {"kty": "oct", "k": b64(b"mine")}}, claims(), b"mine"),
    "crit": signed({**HEADER, "crit": ["exp"]}, claims()),
    "b64 false": signed({**HEADER, "b64": False, "crit": ["b64"]}, claims()),
    "no exp": signed(HEADER, claims(exp=...)),
    "expired": signed(HEADER, claims(exp=NOW - 1)),
    "exp null": signed(HEADER, claims(exp=None)),
    "exp text": signed(HEADER, claims(exp=str(NOW + 600))),
    "exp true": signed(HEADER, claims(exp=True)),
    "exp infinite": signed(HEADER, json.dumps(claims(exp=float("inf"))).encode()),
    "nbf in the future": signed(HEADER, claims(nbf=NOW + 300)),
    "iat in the future": signed(HEADER, claims(iat=NOW + 3600)),
    "no aud": signed(HEADER, claims(aud=...)),
    "wrong aud": signed(HEADER, claims(aud="admin-panel")),
    "aud empty": signed(HEADER, claims(aud="")),
    "no iss": signed(HEADER, claims(iss=...)),
    "wrong iss": signed(HEADER, claims(iss="somebody-else")),
    "iss a list": signed(HEADER, claims(iss=[SETTINGS.issuer])),
    "no sub": signed(HEADER, claims(sub=...)),
    "sub empty": signed(HEADER, claims(sub="")),
    "sub a number": signed(HEADER, claims(sub=7)),
    "no scope": signed(HEADER, claims(scope=...)),
    "scope a list": signed(HEADER, claims(scope=["recommendations:read", "models:read"])),
    "claims a list": signed(HEADER, [claims()]),
    "claims a string": signed(HEADER, "claims"),
    "claims not JSON": signed(HEADER, b"\xff\xfe"),
    "claims deeply nested": signed(HEADER, b"[" * 2000 + b"]" * 2000),
    "9 KB": signed(HEADER, claims(pad="x" * 9000)),
    "1 MB": signed(HEADER, claims(pad="x" * 1_000_000)),
}
BAD_HEADERS: dict[str, list[tuple[str, str]]] = {
    "no header": [],
    "basic": [("Authorization", f"Basic {good()}")],
    "token scheme": [("Authorization", f"Token {good()}")],
    "no scheme": [("Authorization", good())],
    "no space": [("Authorization", f"Bearer{good()}")],
    "two headers": [("Authorization", f"Bearer {good()}")] * 2,
    "two tokens": [("Authorization", f"Bearer {good()}, Bearer {good()}")],
    "trailing word": [("Authorization", f"Bearer {good()} x")],
    "in the query only": [("X-Token", good())],
    "cookie": [("Cookie", f"token={good()}")],
}


def refusal(client: ApiClient, path: str, headers: list[tuple[str, str]]) -> httpx.Response:
    return client.get(path, headers=httpx.Headers(headers))


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len(BAD_TOKENS) + len(BAD_HEADERS) >= 40


@pytest.mark.parametrize("path", ROUTES)
def test_no_bad_token_is_accepted_and_all_answers_are_the_same(client: ApiClient, path: str) -> None:
    cases = BAD_HEADERS | {name: [("Authorization", f"Bearer {token}")] for name, token in BAD_TOKENS.items()}
    answers = {name: refusal(client, path, headers) for name, headers in cases.items()}
    accepted = [name for name, answer in answers.items() if answer.status_code != 401]
    assert accepted == []
    assert len({answer.content for answer in answers.values()}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {"Bearer"}
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/problem+json"}


@pytest.mark.parametrize(("path", "scope"), ROUTES.items())
def test_control_the_good_token_passes_and_one_without_the_scope_does_not(
    client: ApiClient, path: str, scope: str
) -> None:
    others = " ".join(s for s in ROUTES.values() if s != scope)
    with_scope = [("Authorization", f"Bearer {signed(HEADER, claims(scope=scope))}")]
    without = [("Authorization", f"Bearer {signed(HEADER, claims(scope=others))}")]
    assert refusal(client, path, with_scope).status_code == 200
    answer = refusal(client, path, without)
    assert answer.status_code == 403
    assert f'scope="{scope}"' in answer.headers["www-authenticate"]
    for lookalike in (scope.upper(), scope + "x", scope[:-1], "*"):
        header = [("Authorization", f"Bearer {signed(HEADER, claims(scope=lookalike))}")]
        assert refusal(client, path, header).status_code == 403


def test_a_token_is_checked_before_the_request_is_parsed(client: ApiClient) -> None:
    assert refusal(client, "/v1/recommendations/abc?limit=x", []).status_code == 401


def test_a_remembered_token_still_expires() -> None:
    now = [1_000_000.0]
    verifier = TokenVerifier(SETTINGS, lambda: now[0])
    token = mint(SETTINGS, [Scope.MODELS_READ], 60, subject="a", now=now[0])
    assert verifier.verify(token).scopes == {"models:read"}
    now[0] += 59
    assert verifier.verify(token)
    now[0] += 1
    for _ in range(2):
        with pytest.raises(TokenRefusedError):
            verifier.verify(token)


def test_every_route_declares_its_access(client: ApiClient) -> None:
    routes = {route.path: route.access for route in client.app.routes if isinstance(route, ScopedRoute)}
    assert len(routes) == len(client.app.routes)
    assert {path for path, access in routes.items() if access == PUBLIC} == {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
    }
    assert {path: access for path, access in routes.items() if access != PUBLIC} == {
        "/v1/recommendations/{customer_id}": "recommendations:read",
        "/v1/models": "models:read",
    }


def test_planted_a_route_without_declared_access_stops_the_start() -> None:
    async def undeclared() -> None: ...

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.router.route_class = ScopedRoute
    with pytest.raises(ConfigurationError, match="declares no access"):
        app.get("/open")(undeclared)


def test_planted_a_plain_route_stops_the_start() -> None:
    async def anything() -> None: ...

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.router.routes.append(APIRoute("/open", public(anything)))
    with pytest.raises(ConfigurationError, match="not access-checked"):
        check_routes(app)
    with pytest.raises(ConfigurationError):
        check_routes(FastAPI())  # its docs would be open


def test_openapi_shows_the_scopes(client: ApiClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert paths["/v1/models"]["get"]["security"] == [{"bearer": ["models:read"]}]
    assert "security" not in paths["/healthz"]["get"]
    assert set(paths) == {"/v1/recommendations/{customer_id}", "/v1/models", "/healthz", "/readyz"}


def test_refusals_are_counted(client: ApiClient, services: Services) -> None:
    refusal(client, "/v1/models", [])
    assert services.metrics.value("serving_refused_tokens_total", status="401") == 1
    assert requires(Scope.MODELS_READ)
