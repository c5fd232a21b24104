"""Redis key names of the online store."""

from __future__ import annotations

PROJECT = "shop"
CUSTOMER_VIEW = "customer_features"
MEMORY_VIEW = "customer_basket_memory"
PRODUCT_TABLE_KEY = f"{PROJECT}:product_table"


def record_key(view: str, *ids: int) -> str:
    """The key of one entity's record: `shop:<view>:<id>[:<id>]`."""
    return ":".join((PROJECT, view, *map(str, ids)))


OUT_OF_STOCK_KEY = "shop:out_of_stock"
