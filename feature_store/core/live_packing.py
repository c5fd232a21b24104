"""Small records of the live store. Little endian, without padding.

    0  layout   1  primary   9  arrival ms   17  offset   25  body

The 24 bytes from 1 on order the records of one place: a greater one takes the place of a smaller one. `primary` is the
version of a minute and the event time (ms) of a visit; arrival and offset decide between equals, so that the outcome
does not depend on the order of delivery. The Lua scripts of `online_store/live_store.py` read these bytes too.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np

from feature_store.core.live_windows import (
    ADD,
    CUSTOMER_MEASURES,
    MS_PER_MINUTE,
    PRODUCT_MEASURES,
    VIEW,
    CustomerMinutes,
    Int64Array,
    Touches,
)
from shared_utils.errors import DataError
from shared_utils.time_utils import ms_of

LAYOUT: Final = 1
STAMP_END: Final = 25
REMEDY: Final = "Run `python -m feature_store.online_store.rebuild_live` with this version of the code."

_STAMP = np.dtype([("layout", "u1"), ("primary", "<i8"), ("arrival_ms", "<i8"), ("offset", "<i8")])
_SUMS = [("views", "<u4"), ("adds", "<u4"), ("purchases", "<u4"), ("spend_cents", "<i8")]
_CUSTOMER = np.dtype(
    [*_STAMP.descr, ("event_ms", "<i8"), *_SUMS, ("removes", "<u4"), ("searches", "<u4"), ("uuid", "V16"),
     ("trace", "V27"), ("touches", "<u2")]
)  # fmt: skip
_PRODUCT = np.dtype([*_STAMP.descr, ("event_ms", "<i8"), *_SUMS])
_TOUCH = np.dtype([("product_id", "<i8"), ("offset_ms", "<u2"), ("action", "u1")])
_VISIT = struct.Struct("<B3q 2q 8q d?")
_CUSTOMER_STRUCT = struct.Struct("<B3q q 3I q 2I 16s 27s H")
_PRODUCT_STRUCT = struct.Struct("<B3q q 3I q")
_TOUCH_STRUCT = struct.Struct("<qHB")
_TRACE_BYTES: Final = 26
_ACTIONS: Final[Mapping[str, int]] = {"view": VIEW, "add": ADD}


class LiveStamp(NamedTuple):
    """The order of the records of one place."""

    primary: int
    arrival_ms: int
    offset: int


class ProductMinutes(NamedTuple):
    """What is stored of a product's last day, one element per minute, in no order."""

    minute: Int64Array
    sums: Mapping[str, Int64Array]


@dataclass(frozen=True, slots=True)
class ClosedVisit:
    """The last visit of a customer that is over. Units: epoch milliseconds."""

    stamp: LiveStamp
    session_start_ms: int
    session_end_ms: int
    events: int
    searches: int
    impressions: int
    views: int
    adds: int
    removes: int
    products: int
    categories: int
    duration_seconds: float
    converted: bool


def minute_of(event: Mapping[str, Any]) -> int:
    """The epoch minute of a feature record."""
    return ms_of(event["bucket_start"]) // MS_PER_MINUTE


def stamp_of(blob: bytes) -> LiveStamp:
    """The order of a packed record."""
    return LiveStamp(*struct.unpack_from("<3q", blob, 1))


def pack_customer_minute(event: Mapping[str, Any], arrival_ms: int, offset: int, traceparent: bytes | None) -> bytes:
    """The packed record of a valid `features.customer.v1` event. A malformed traceparent is left out."""
    start = ms_of(event["bucket_start"])
    touches = event["products"]
    head = _CUSTOMER_STRUCT.pack(
        LAYOUT,
        event["version"],
        arrival_ms,
        offset,
        ms_of(event["event_time"]),
        event["views"],
        event["adds"],
        event["purchases"],
        event["spend_cents"],
        event["removes"],
        event["searches"],
        UUID(event["last_event_id"]).bytes,
        _packed_trace(traceparent),
        len(touches),
    )
    packed = [
        _TOUCH_STRUCT.pack(t["product_id"], ms_of(t["event_time"]) - start, _ACTIONS[t["action"]]) for t in touches
    ]
    return head + b"".join(packed)


def pack_product_minute(event: Mapping[str, Any], arrival_ms: int, offset: int) -> bytes:
    """The packed record of a valid `features.product.v1` event."""
    sums = [event[measure] for measure in PRODUCT_MEASURES]
    return _PRODUCT_STRUCT.pack(LAYOUT, event["version"], arrival_ms, offset, ms_of(event["event_time"]), *sums)


def pack_visit(event: Mapping[str, Any], arrival_ms: int, offset: int) -> bytes:
    """The packed record of a valid `features.session.v1` event."""
    counts = (event[name] for name in ("events", "searches", "impressions", "views", "adds", "removes", "products",
                                       "categories"))  # fmt: skip
    span = (ms_of(event["session_start"]), ms_of(event["session_end"]))
    order = (ms_of(event["event_time"]), arrival_ms, offset)
    return _VISIT.pack(LAYOUT, *order, *span, *counts, event["duration_seconds"], event["converted"])


def unpack_customer_minutes(blobs: Mapping[int, bytes]) -> CustomerMinutes:
    """A customer's minutes from epoch minute to blob.

    Raises:
        DataError: a blob is damaged or of another layout.
    """
    minute = np.fromiter(blobs, np.int64, len(blobs))
    heads = _heads(list(blobs.values()), _CUSTOMER)
    counts = heads["touches"].astype(np.int64)
    flat = b"".join([blob[_CUSTOMER.itemsize :] for blob in blobs.values()])
    if len(flat) != int(counts.sum()) * _TOUCH.itemsize:
        raise DataError("A live record of a customer is damaged.", REMEDY)
    touched = np.frombuffer(flat, _TOUCH)
    touch_minute = np.repeat(minute, counts)
    touches = Touches(
        touch_minute,
        touched["product_id"].astype(np.int64),
        touch_minute * MS_PER_MINUTE + touched["offset_ms"],
        touched["action"],
    )
    return CustomerMinutes(
        minute,
        {name: heads[name].astype(np.int64) for name in CUSTOMER_MEASURES},
        heads["event_ms"],
        heads["arrival_ms"],
        heads["uuid"],
        heads["trace"],
        touches,
    )


def unpack_product_minutes(blobs: Mapping[int, bytes]) -> ProductMinutes:
    """A product's minutes from epoch minute to blob. Raises DataError like `unpack_customer_minutes`."""
    heads = _heads(list(blobs.values()), _PRODUCT)
    minute = np.fromiter(blobs, np.int64, len(blobs))
    return ProductMinutes(minute, {name: heads[name].astype(np.int64) for name in PRODUCT_MEASURES})


def unpack_visit(blob: bytes) -> ClosedVisit:
    """A closed visit. Raises DataError like `unpack_customer_minutes`."""
    if len(blob) != _VISIT.size or blob[0] != LAYOUT:
        raise DataError("A stored visit is damaged or of another layout.", REMEDY)
    _, primary, arrival_ms, offset, *rest = _VISIT.unpack(blob)
    return ClosedVisit(LiveStamp(primary, arrival_ms, offset), *rest)


def _heads(blobs: Sequence[bytes], layout: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    flat = b"".join([blob[: layout.itemsize] for blob in blobs])
    if len(flat) != len(blobs) * layout.itemsize:
        raise DataError("A live record is truncated.", REMEDY)
    heads = np.frombuffer(flat, layout)
    if np.any(heads["layout"] != LAYOUT):
        raise DataError("A live record has another layout.", REMEDY)
    return heads


def _packed_trace(header: bytes | None) -> bytes:
    """W3C `00-<32 hex>-<16 hex>-<2 hex>` as a mark and 26 bytes; all zero where there is none."""
    try:
        packed = bytes.fromhex((header or b"").decode("ascii").replace("-", ""))
    except ValueError:
        packed = b""
    return b"\1" + packed if len(packed) == _TRACE_BYTES else bytes(_TRACE_BYTES + 1)
