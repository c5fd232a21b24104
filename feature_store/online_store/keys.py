"""Redis key names of the online store."""

from __future__ import annotations

PROJECT = "shop"
CUSTOMER_VIEW = "customer_features"
MEMORY_VIEW = "customer_basket_memory"
PRODUCT_TABLE_KEY = f"{PROJECT}:product_table"

LIVE_CUSTOMER = "live_customer"
"""Hash by customer: epoch minute to packed record, and the span of its minutes."""
LIVE_PRODUCT = "live_product"
"""Hash by product, as LIVE_CUSTOMER."""
LIVE_ACTIVITY = "live_activity"
"""Sorted set by epoch minute: product id by views, adds and purchases."""
LIVE_VISIT = "live_visit"
"""Packed record of a customer's last closed visit."""
LIVE_MARK_KEY = f"{PROJECT}:live_mark"
"""Stands while the live part is complete: a store that lost its memory lost it too."""


def record_key(view: str, *ids: int) -> str:
    """The key of one entity's record: `shop:<view>:<id>[:<id>]`."""
    return ":".join((PROJECT, view, *map(str, ids)))


OUT_OF_STOCK_KEY = "shop:out_of_stock"
