"""Feast online store plug-in: one packed blob per (view, entity) in Redis.

Feast's registry, materialization and `get_online_features` work through it unchanged; serving reads the same blobs
through `reader.py` without Feast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast

import numpy as np
from feast import Entity, FeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from redis import Redis

from feature_store.core.catalogue import Dtype
from feature_store.core.packing import Field, RecordLayout, Stamp, Value
from feature_store.core.stamps import instant_of, us_of
from feature_store.online_store.client import WRITE_TIMEOUT_MS, connect
from feature_store.online_store.keys import record_key
from feature_store.online_store.writer import put_records
from shared_utils.errors import ConfigurationError

FeastRow = tuple[EntityKey, dict[str, ValueProto], datetime, datetime | None]

_DTYPES: Mapping[str, tuple[Dtype, bool]] = {
    "INT32": ("int32", False),
    "INT64": ("int64", False),
    "FLOAT": ("float32", False),
    "DOUBLE": ("float64", False),
    "INT32_LIST": ("int32", True),
    "INT64_LIST": ("int64", True),
    "FLOAT_LIST": ("float32", True),
    "DOUBLE_LIST": ("float64", True),
}
_PROTO_FIELDS: Mapping[tuple[str, bool], str] = {
    (dtype, is_array): f"{kind.lower()}_val" for kind, (dtype, is_array) in _DTYPES.items()
}


class PackedRedisOnlineStoreConfig(FeastConfigBaseModel):
    """Where Redis is, and how long a call may take."""

    type: Literal["feature_store.online_store.packed_redis.PackedRedisOnlineStore"]
    url: str
    timeout_ms: int = WRITE_TIMEOUT_MS


class PackedRedisOnlineStore(OnlineStore):
    """Packs each row with the layout of its view; never lets an older event overwrite a newer one."""

    _redis: Redis | None = None

    def _client(self, config: RepoConfig) -> Redis:
        if self._redis is None:
            self._redis = connect(config.online_store.url, config.online_store.timeout_ms)
        return self._redis

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeastRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Store rows; a row that is older than what is stored is left out.

        Raises:
            DependencyError: Redis does not answer.
            DataError: a value does not fit its declared type.
        """
        layout = feast_layout(table)
        put_records(self._client(config), (_record(layout, row) for row in data))
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, ValueProto] | None]]:
        """The stored values of each key, in the order of the keys, in one round trip."""
        layout = feast_layout(table)
        keys = [record_key(layout.name, *_ids(key)) for key in entity_keys]
        blobs = cast("list[bytes | None]", self._client(config).mget(keys))
        return [(None, None) if blob is None else _unpacked(layout, blob, requested_features) for blob in blobs]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Delete the records of views that are gone."""
        self._delete(config, tables_to_delete)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Delete the records of every view."""
        self._delete(config, tables)

    def _delete(self, config: RepoConfig, tables: Sequence[FeatureView]) -> None:
        for table in tables:
            redis = self._client(config)
            with redis.pipeline(transaction=False) as pipe:
                for key in redis.scan_iter(record_key(table.name) + ":*", count=1_000):
                    pipe.unlink(key)
                pipe.execute()


def feast_layout(view: FeatureView) -> RecordLayout:
    """The packed layout of a Feast view: its features in schema order.

    Raises:
        ConfigurationError: a feature has a type that cannot be packed.
    """
    return RecordLayout(view.name, tuple(_fields(view)))


def _fields(view: FeatureView) -> Iterator[Field]:
    for feature in view.features:
        kind = feature.dtype.to_value_type().name
        if kind not in _DTYPES:
            raise ConfigurationError(
                f"Feature {feature.name} of {view.name} has type {kind}.", f"Use one of {', '.join(_DTYPES)}."
            )
        yield Field(feature.name, *_DTYPES[kind])


def _record(layout: RecordLayout, row: FeastRow) -> tuple[str, bytes]:
    key, values, event, created = row
    stamp = Stamp(us_of(event), us_of(created or event))
    return record_key(layout.name, *_ids(key)), layout.pack(stamp, {f.name: _value(f, values) for f in layout.fields})


def _ids(key: EntityKey) -> list[int]:
    return [value.int64_val for value in key.entity_values]


def _value(field: Field, values: Mapping[str, ValueProto]) -> Value:
    proto = values[field.name]
    kind = proto.WhichOneof("val")
    if kind is None:
        return None
    held = getattr(proto, kind)
    return np.fromiter(held.val, field.dtype, len(held.val)) if field.is_array else cast("int | float", held)


def _unpacked(layout: RecordLayout, blob: bytes, requested: list[str] | None) -> tuple[datetime, dict[str, ValueProto]]:
    stamp, values = layout.unpack(blob)
    wanted = set(requested) if requested is not None else {field.name for field in layout.fields}
    pairs = zip(layout.fields, values, strict=True)
    return instant_of(stamp.event_us), {field.name: _proto(field, v) for field, v in pairs if field.name in wanted}


def _proto(field: Field, value: Value) -> ValueProto:
    proto = ValueProto()
    name = _PROTO_FIELDS[field.dtype, field.is_array]
    if isinstance(value, np.ndarray):
        held = getattr(proto, name)
        held.SetInParent()
        held.val.extend(value.tolist())
    elif value is not None:
        setattr(proto, name, value)
    return proto
