"""The button of the page: a household of the shop clicks three times, over the real path, and its shelf is watched."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
import orjson
import structlog

from data_lake import tables
from data_lake.catalog import CUSTOMER_PROFILE
from data_lake.storage import root_of
from production_ops.demo.shoppers import PATIENCE_SECONDS, views
from production_ops.first_page.core import shelves
from production_ops.first_page.core.answers import Answer, State
from production_ops.first_page.services import FLINK, SERVING_URL, World, json_of
from production_ops.proofs.live_shelf import Reaction
from shared_utils.errors import DataError, DependencyError, PlatformError
from shared_utils.kafka_helpers import Producer
from shared_utils.records import Record
from shared_utils.settings import KafkaSettings, Settings
from shared_utils.time_utils import Clock, system_clock, to_rfc3339

log = structlog.get_logger(__name__)

GAP_SECONDS: Final = 10.0
"""Between the beginnings of two visits: nobody fills the shop's topic through this page."""
FOLLOWED_SECONDS: Final = 600.0
"""So long the path that is shown is that of the visit's click; then it is the shop's last one again."""
_ASKED: Final = 50
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.1
_BETWEEN_CLICKS: Final = timedelta(seconds=1)
_NOBODY = Answer.empty("Nobody has clicked on this page yet.", "Press the button: a household clicks, its shelf moves.")
_PENDING = Answer(State.PENDING, "A household clicks, and its shelf is watched.")


class TooSoonError(Exception):
    """A visit is under way, or the last one has just begun."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The world of a visit. `ask` gives a customer's shelf; `send` returns when Kafka has the records."""

    households: Callable[[], list[int]]
    ask: Callable[[int], Mapping[str, Any]]
    send: Callable[[list[Record]], None]
    flink_runs: Callable[[], bool]


class Visits:
    """One visit at a time; what the last one showed."""

    def __init__(
        self,
        shop: Shop,
        pool: Executor,
        done: Callable[[], None] = lambda: None,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._shop, self._pool, self._done, self._clock, self._monotonic = shop, pool, done, clock, monotonic
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._answer = _NOBODY
        self._last_began = -GAP_SECONDS

    @property
    def answer(self) -> Answer:
        """The shelves around the last visit; before the first one whether there can be one."""
        if self._answer is _NOBODY and not self._shop.flink_runs():
            return Answer.not_started("streaming")
        return self._answer

    @property
    def event_id(self) -> str | None:
        """The last click of a visit that was answered and is not long ago; else None."""
        recent = self._monotonic() - self._last_began < FOLLOWED_SECONDS
        return self._answer.data.get("event_id") if recent else None

    def begin(self) -> None:
        """Let a household click, in the background.

        Raises:
            TooSoonError: there is one already.
            DependencyError: nothing would come of it.
        """
        if not self._shop.flink_runs():
            raise DependencyError("The part streaming is not started.", "make up PROFILE=streaming")
        with self._lock:
            if self._answer is _PENDING or self._monotonic() - self._last_began < GAP_SECONDS:
                raise TooSoonError
            self._last_began, self._answer = self._monotonic(), _PENDING
        self._pool.submit(self._run)

    def _run(self) -> None:
        try:
            self._answer = Answer.shown(shelves.as_json(self._visit(), to_rfc3339(self._clock())))
        except PlatformError as exc:
            self._answer = Answer.failed(exc)
        except Exception:
            log.exception("first_page_defect", evidence="visit")
            self._answer = Answer(State.FAILED, "The visit has a defect.", "make logs s=first-page")
        self._done()

    def _visit(self) -> Reaction:
        households = self._shop.households()
        for customer in random.sample(households, min(_TRIES, len(households))):
            before = self._shop.ask(customer)
            shopper = shelves.choose(customer, before)
            if shopper is None:
                continue
            clicks = views(shopper, self._clock() + _BETWEEN_CLICKS, _BETWEEN_CLICKS)
            self._shop.send(clicks)
            wanted = orjson.loads(clicks[-1].value or b"")["event_id"]
            after, wait_ms = self._watch(customer, wanted)
            return Reaction(customer, shopper.category, shopper.products, wanted, before, after, wait_ms)
        raise DataError(f"None of {_TRIES} households has a list with three products to click on.", "Try once more.")

    def _watch(self, customer: int, wanted: str) -> tuple[Mapping[str, Any], float | None]:
        """The first answer that names the click and how long it took, or the last answer of all."""
        began = self._monotonic()
        while True:
            answer = self._shop.ask(customer)
            waited = self._monotonic() - began
            if answer["live_event_id"] == wanted:
                return answer, waited * 1_000
            if waited > self._patience_seconds:
                return answer, None
            time.sleep(_PAUSE_SECONDS)


def open_shop(world: World, settings: Settings, token: Callable[[], str]) -> Shop:
    """The real shop."""

    def ask(customer_id: int) -> Mapping[str, Any]:
        url, headers = f"{SERVING_URL}/v1/recommendations/{customer_id}", {"Authorization": f"Bearer {token()}"}
        try:
            found: Mapping[str, Any] = json_of(world.http.get(url, params={"limit": str(_ASKED)}, headers=headers))
        except httpx.HTTPError as exc:
            raise DependencyError(f"The API does not answer ({type(exc).__name__}).", "make logs s=serving") from exc
        return found

    return Shop(
        households=lambda: _households(settings),
        ask=ask,
        send=lambda records: _send(records, settings.kafka),
        flink_runs=lambda: world.resolves(FLINK),
    )


def _households(settings: Settings) -> list[int]:
    found = (
        tables.open_delta(CUSTOMER_PROFILE, root_of(settings)).to_pyarrow_dataset().to_table(columns=["customer_id"])
    )
    ids: list[int] = found["customer_id"].to_pylist()
    return ids


def _send(records: list[Record], settings: KafkaSettings) -> None:
    with Producer(settings, "first-page", keep_undelivered=False) as producer:
        for record in records:
            producer.send(record)
