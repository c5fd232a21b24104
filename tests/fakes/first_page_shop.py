"""A household, its list, and what it clicked: the world of the page's button."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, Future
from typing import Any

import orjson

from production_ops.first_page.visits import Shop
from shared_utils.records import Record

SHELF = [("milk", 10)]
LIST = [*SHELF, ("tea", 4), ("pasta", 2)]


def answer(categories: list[tuple[str, int]], live: str | None = None) -> dict[str, Any]:
    names = [name for name, count in categories for _ in range(count)]
    return {
        "items": [
            {"product_id": 100 + n, "name": f"{name} {n}", "category": name, "rank": n + 1, "reason": {"text": ""}}
            for n, name in enumerate(names)
        ],
        "live_event_id": live,
        "degraded": False,
        "model": {"version": "1"},
    }  # fmt: skip


class Now(Executor):
    """Runs at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        fn(*args, **kwargs)
        return Future()


class Held(Executor):
    """Keeps what it was given."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


class FakeShop:
    """One household; its shelf moves when it has clicked, if it `reacts`."""

    def __init__(self, *, reacts: bool = True, categories: list[tuple[str, int]] | None = None) -> None:
        self.sent: list[Record] = []
        self.reacts, self.categories, self.flink = reacts, categories or LIST, True

    def shop(self) -> Shop:
        return Shop(lambda: [7], self.ask, self.sent.extend, lambda: self.flink)

    def ask(self, customer_id: int) -> Mapping[str, Any]:
        if self.sent and self.reacts:
            return answer([("tea", 4), ("milk", 10)], orjson.loads(self.sent[-1].value or b"")["event_id"])
        return answer(self.categories)
