"""Traffic for the verdict: every household asks for its shelf once over HTTP, as an app would."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from shared_utils.errors import DependencyError


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request: the customer, the status, the body and how long the client waited (milliseconds)."""

    customer_id: int
    status: int
    body: dict[str, Any]
    wait_ms: float


def ask_for(base_url: str, token: str, customers: Sequence[int], *, limit: int = 10) -> list[Answer]:
    """Ask for each customer's recommendations, one after the other on one connection.

    Raises:
        DependencyError: the API does not answer at all.
    """
    answers = []
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=base_url, headers=headers, timeout=5.0) as client:
            for customer in customers:
                started = time.perf_counter()
                response = client.get(f"/v1/recommendations/{customer}", params={"limit": limit})
                wait_ms = (time.perf_counter() - started) * 1e3
                answers.append(Answer(customer, response.status_code, response.json(), wait_ms))
    except httpx.HTTPError as exc:
        raise DependencyError(f"The API at {base_url} does not answer ({exc}).", "Read the serving log.") from exc
    return answers


def floor_ms(base_url: str, requests: int = 300) -> list[float]:
    """Waits for the emptiest route of the same server, on the same kind of connection: what HTTP alone costs here."""
    waits = []
    with httpx.Client(base_url=base_url, timeout=5.0) as client:
        for _ in range(requests):
            started = time.perf_counter()
            client.get("/healthz")
            waits.append((time.perf_counter() - started) * 1e3)
    return waits
