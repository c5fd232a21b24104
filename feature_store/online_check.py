"""Is what serving reads what the lake says? Compares the hot path, Feast's online read and the offline snapshots.

The hot path and Feast read the same bytes, so their agreement proves the two decoders; only the comparison with the
offline tables finds a stale or altered store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from redis import Redis

from feature_store.basket_memory import MEMORY, latest_known
from feature_store.core.catalogue import load_catalogue
from feature_store.core.packing import HEADER, Array, RecordLayout, view_layout
from feature_store.feature_repo.definitions import RECOMMENDER_ONLINE_V1
from feature_store.online_store.keys import CUSTOMER_VIEW, record_key
from feature_store.online_store.reader import CustomerState, OnlineReader
from feature_store.snapshots import Snapshots, connect

if TYPE_CHECKING:
    from feast import FeatureStore

Values = Mapping[str, Any]


class Difference(NamedTuple):
    """One value that is not what it should be. `side` is `hot path` or `feast`."""

    customer_id: int
    feature: str
    side: str
    offline: Any
    online: Any


def online_differences(
    store: FeatureStore, reader: OnlineReader, snapshots: Snapshots, as_of: datetime, customer_ids: Sequence[int]
) -> list[Difference]:
    """Every feature of every customer in which the hot path or Feast differs from the snapshots as of `as_of`.

    Compared exactly, bit for bit. Raises as `OnlineReader.read`.
    """
    truth = _offline(snapshots, as_of, customer_ids)
    feast = _feast(store, customer_ids)
    return [
        difference
        for customer_id in customer_ids
        for side, values in (("hot path", _flat(reader.read(customer_id))), ("feast", feast[customer_id]))
        for difference in _compare(customer_id, side, truth.get(customer_id, {}), values)
    ]


def stale_customers(redis: Redis, memory: Path) -> list[int]:
    """Customers of a basket-memory snapshot whose online records are missing or older than the snapshot's row."""
    rows = connect().execute(f"SELECT customer_id, epoch_us(event_timestamp) FROM read_parquet('{memory}')").fetchall()  # noqa: S608
    views = [load_catalogue().view(name) for name in (CUSTOMER_VIEW, MEMORY)]
    with redis.pipeline(transaction=False) as pipe:
        for customer_id, _ in rows:
            for view in views:
                pipe.getrange(record_key(view.name, customer_id), 0, HEADER.size - 1)
        heads = cast("list[bytes]", pipe.execute())
    customer, memory_part = (view_layout(view) for view in views)
    held = [
        min(_event_us(customer, heads[place]), _event_us(memory_part, heads[place + 1]))
        for place in range(0, len(heads), 2)
    ]
    return [customer_id for (customer_id, event_us), event in zip(rows, held, strict=True) if event < event_us]


def _event_us(layout: RecordLayout, head: bytes) -> int:
    return layout.header(head).stamp.event_us if head else -1


def _offline(snapshots: Snapshots, as_of: datetime, customer_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    catalogue = load_catalogue()
    customer, pair, memory = (catalogue.view(n) for n in (CUSTOMER_VIEW, "customer_product_features", MEMORY))
    wanted = f"WHERE customer_id IN ({', '.join(map(str, customer_ids))})"
    connection = connect()
    query = f"SELECT * FROM ({latest_known(snapshots.paths[customer.name], customer.keys, as_of)}) {wanted}"  # noqa: S608
    rows = connection.execute(query).df()
    truth = {
        int(row["customer_id"]): {name: row[name] for name in customer.feature_names} for _, row in rows.iterrows()
    }
    query = f"SELECT * FROM ({latest_known(snapshots.paths[pair.name], pair.keys, as_of)}) {wanted} ORDER BY product_id"  # noqa: S608
    for key, group in connection.execute(query).df().groupby("customer_id"):
        for column in memory.columns:
            source = column if column == "product_id" else pair.feature_name(column)
            truth[int(cast("int", key))][memory.feature_name(column)] = group[source].to_numpy()
    return truth


def _feast(store: FeatureStore, customer_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    service = store.get_feature_service(RECOMMENDER_ONLINE_V1)
    answer = store.get_online_features(service, [{"customer_id": c} for c in customer_ids]).to_dict()
    names = [name for name in answer if name != "customer_id"]
    return {
        customer_id: {name: answer[name][row] for name in names if answer[name][row] is not None}
        for row, customer_id in enumerate(answer["customer_id"])
    }


def _flat(state: CustomerState | None) -> dict[str, Any]:
    if state is None:
        return {}
    catalogue = load_catalogue()
    parts: tuple[tuple[str, Mapping[str, Any]], ...] = ((CUSTOMER_VIEW, state.customer), (MEMORY, state.pairs))
    return {catalogue.view(name).feature_name(column): v for name, part in parts for column, v in part.items()}


def _compare(customer_id: int, side: str, offline: Values, online: Values) -> Iterator[Difference]:
    for name in sorted({*offline, *online}):
        expected, found = offline.get(name), online.get(name)
        if expected is None or found is None or not _same(np.asarray(expected), np.asarray(found)):
            yield Difference(customer_id, name, side, expected, found)


def _same(expected: Array, found: Array) -> bool:
    return expected.shape == found.shape and bool(np.all(expected == found))
