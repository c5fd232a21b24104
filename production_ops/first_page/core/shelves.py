"""One shopper's shelf before and after a few clicks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from production_ops.demo.shoppers import CLICKS, Shopper
from production_ops.proofs.live_shelf import Reaction

SHOWN: Final = 10
"""Products on a shelf; the API is asked for more, so that there is something to click on."""


def choose(customer_id: int, answer: Mapping[str, Any]) -> Shopper | None:
    """Three products of a category that is not on the shelf but further down the list: the category with most of them.

    None where the list has no such category.
    """
    shelf, below = answer["items"][:SHOWN], answer["items"][SHOWN:]
    taken = {item["category"] for item in shelf}
    by_category: dict[str, list[int]] = {}
    for item in below:
        if item["category"] is not None and item["category"] not in taken:
            by_category.setdefault(item["category"], []).append(item["product_id"])
    best = max(by_category, key=lambda name: len(by_category[name]), default=None)
    if best is None or len(by_category[best]) < CLICKS:
        return None
    return Shopper(customer_id, best, tuple(by_category[best][:CLICKS]))


def as_json(reaction: Reaction, at: str) -> dict[str, Any]:
    """Both shelves with each product's rank on the other one, and what the clicks were."""
    before, after = (
        {item["product_id"]: item for item in shelf["items"]} for shelf in (reaction.before, reaction.after)
    )
    listed = {**after, **before}
    return {
        "at": at,
        "customer_id": reaction.customer_id,
        "category": reaction.category,
        "clicked": [
            {"product_id": product, "name": listed.get(product, {}).get("name")} for product in reaction.clicked
        ],
        "event_id": reaction.event_id,
        "wait_ms": None if reaction.wait_ms is None else round(reaction.wait_ms),
        "before": [_card(item, after) for item in reaction.before["items"][:SHOWN]],
        "after": [_card(item, before) for item in reaction.after["items"][:SHOWN]],
        "of_category": [
            sum(item["category"] == reaction.category for item in shelf["items"][:SHOWN])
            for shelf in (reaction.before, reaction.after)
        ],
        "degraded": bool(reaction.after["degraded"]),
        "model_version": reaction.after["model"]["version"],
    }


def _card(item: Mapping[str, Any], other: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    elsewhere = other.get(item["product_id"])
    return {
        "rank": item["rank"],
        "other_rank": elsewhere and elsewhere["rank"],
        "product_id": item["product_id"],
        "name": item["name"],
        "category": item["category"],
        "reason": item["reason"]["text"],
    }
