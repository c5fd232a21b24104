"""Shoppers who click: a few products of one category each, over the real path, and their shelf before and after."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import orjson

from contracts.topics_names import CLICK
from ml_modeling.core.bundle import ModelBundle
from production_ops.proofs.live_shelf import Reaction
from shared_utils.kafka_helpers import Producer
from shared_utils.records import Record
from shared_utils.settings import KafkaSettings
from shared_utils.time_utils import to_rfc3339

CLICKS: Final = 3
PATIENCE_SECONDS: Final = 10.0
_GAP: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Shopper:
    """Who clicks on what."""

    customer_id: int
    category: str
    products: tuple[int, ...]


def plan(bundle: ModelBundle, answers: Mapping[int, Mapping[str, Any]], hidden: frozenset[int]) -> Iterator[Shopper]:
    """For each answered customer three best sellers of a category that is not on its shelf; fewer are no shopper.

    Args:
        bundle: the served model, which knows best sellers and categories.
        answers: each customer's answer so far.
        hidden: products that may not be shown.
    """
    by_category: dict[str, list[int]] = {}
    for product in dict.fromkeys(bundle.popularity.product_id.T.ravel().tolist()):
        if product in bundle.labels and product not in hidden:
            by_category.setdefault(bundle.labels[product][1], []).append(product)
    choices = [(name, products) for name, products in sorted(by_category.items()) if len(products) >= CLICKS]
    for number, (customer, answer) in enumerate(answers.items()):
        shown = {item["category"] for item in answer["items"]}
        turned = choices[number % len(choices) :] + choices[: number % len(choices)] if choices else []
        for name, products in turned:
            if name not in shown:
                yield Shopper(customer, name, tuple(products[:CLICKS]))
                break


def views(shopper: Shopper, now: datetime, gap: timedelta = _GAP) -> list[Record]:
    """The shopper's views, each `gap` after the other and the last one that long before `now`: a visit, with one trace.

    They arrive by the wall clock, as nothing else of the demo does: their way through Flink and Redis takes real time.
    """
    name = f"{shopper.customer_id}:{now.isoformat()}"
    trace = f"00-{uuid.uuid5(uuid.NAMESPACE_OID, name).hex}-{uuid.uuid4().hex[:16]}-01".encode()
    records = []
    for number, product in enumerate(shopper.products):
        at = now - (len(shopper.products) - number) * gap
        event = {
            "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}:{number}")), "event_time": to_rfc3339(at),
            "session_id": f"demo-{shopper.customer_id}", "customer_id": shopper.customer_id, "action": "view",
            "product_id": product, "position": None, "query": None, "basket_id": None, "page": "product",
            "device_type": "mobile",
        }  # fmt: skip
        headers = {"schema_version": b"1", "traceparent": trace}
        key = str(shopper.customer_id).encode()
        records.append(Record(CLICK, key, orjson.dumps(event), None, headers))
    return records


def watch(
    base_url: str,
    token: str,
    kafka: KafkaSettings,
    shoppers: Sequence[Shopper],
    before: Mapping[int, Mapping[str, Any]],
    now: datetime,
) -> list[Reaction]:
    """Let each shopper click, then ask until the answer names the last click.

    `now` is the served instant: events are of its last minute. Once one has waited in vain the proof has failed, so the
    others ask but once.
    """
    reactions: list[Reaction] = []
    headers = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=base_url, headers=headers, timeout=5.0) as client,
        Producer(kafka, "demo-shoppers", keep_undelivered=False) as producer,
    ):
        for shopper in shoppers:
            clicks = views(shopper, now)
            for record in clicks:
                producer.send(record)
            producer.flush()
            acknowledged = time.perf_counter()
            wanted = orjson.loads(clicks[-1].value or b"")["event_id"]
            answer = _ask(client, shopper.customer_id)
            patience = PATIENCE_SECONDS if all(r.wait_ms is not None for r in reactions) else 0.0
            while answer["live_event_id"] != wanted and time.perf_counter() - acknowledged < patience:
                answer = _ask(client, shopper.customer_id)
            waited = (time.perf_counter() - acknowledged) * 1e3 if answer["live_event_id"] == wanted else None
            reactions.append(
                Reaction(
                    shopper.customer_id, shopper.category, shopper.products, wanted, before[shopper.customer_id],
                    answer, waited,
                )
            )  # fmt: skip
    return reactions


def _ask(client: httpx.Client, customer_id: int) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"/v1/recommendations/{customer_id}", params={"limit": 10}).json()
    return body
