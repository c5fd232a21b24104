"""A tracking server that asks who asks gets the credentials, and an error never repeats them."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from model_serving.registry import open_registry
from shared_utils.errors import DependencyError


class Asking(BaseHTTPRequestHandler):
    """Answers 404 (no alias) to whoever shows the right credentials, else 401."""

    def do_GET(self) -> None:
        right = "Basic " + base64.b64encode(b"reader:secret").decode()
        self.send_response(404 if self.headers.get("Authorization") == right else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Asking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_registry_is_asked_with_credentials(url: str) -> None:
    assert open_registry(url, "reader", "secret").resolve("recommender", "champion") is None


@pytest.mark.parametrize("credentials", [(), ("reader", "wrong")])
def test_a_refusal_is_an_error_that_keeps_the_password(url: str, credentials: tuple[str, ...]) -> None:
    with pytest.raises(DependencyError, match="status 401") as refused:
        open_registry(url, *credentials).resolve("recommender", "champion")
    assert "wrong" not in str(refused.value)
