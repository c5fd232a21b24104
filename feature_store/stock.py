"""The stock that serving filters by: products whose newest known level is zero."""

from __future__ import annotations

from datetime import datetime

import duckdb
from redis import Redis

from data_lake import tables
from data_lake.catalog import SILVER_INVENTORY
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from feature_store.online_store.keys import OUT_OF_STOCK_KEY

_OUT = """
SELECT product_id FROM level WHERE event_time <= ? AND arrival_time <= ?
GROUP BY product_id HAVING arg_max(on_hand, event_time) = 0 ORDER BY product_id
"""


def out_of_stock(lake_root: LakeRoot, as_of: datetime) -> list[int]:
    """Products whose newest level known at `as_of` is zero; empty before the first inventory event."""
    if not tables.exists(SILVER_INVENTORY, lake_root):
        return []
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("level", open_delta(SILVER_INVENTORY, lake_root).to_pyarrow_dataset())
        return [int(product) for (product,) in con.execute(_OUT, [as_of, as_of]).fetchall()]


def write_out_of_stock(redis: Redis, products: list[int]) -> None:
    """Replace the set in one transaction, so that no reader sees it empty in between."""
    with redis.pipeline(transaction=True) as pipe:
        pipe.delete(OUT_OF_STOCK_KEY)
        if products:
            pipe.sadd(OUT_OF_STOCK_KEY, *products)
        pipe.execute()
