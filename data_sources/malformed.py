"""The ways in which a value can be wrong, each with the reason for which it must be refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from contracts.reasons import RejectReason
from contracts.topics_names import CLICK, INVENTORY, PAYMENT, SHOP_TOPICS, TRANSACTION

Payload = dict[str, Any]
Spoil = Callable[[Payload], bytes | None]
Edit = Callable[[Payload], Payload]

_DEEPER_THAN_ALLOWED = 40


@dataclass(frozen=True)
class Malformation:
    """One kind of fault. `spoil` takes a valid payload and gives the bytes to send (None = tombstone)."""

    name: str
    reason: RejectReason
    spoil: Spoil
    topics: tuple[str, ...] = SHOP_TOPICS


def malformations(topic: str) -> list[Malformation]:
    """Every kind of fault that can be planted in `topic`."""
    return [m for m in MALFORMATIONS if topic in m.topics]


def _schema(name: str, edit: Edit, *topics: str) -> Malformation:
    return Malformation(name, RejectReason.SCHEMA, _after(edit), topics or SHOP_TOPICS)


def _after(edit: Edit) -> Spoil:
    return lambda payload: orjson.dumps(edit(payload))


def _set(**values: Any) -> Edit:
    return lambda payload: {**payload, **values}


def _with_member(payload: Payload, member: bytes) -> bytes:
    return orjson.dumps(payload)[:-1] + b"," + member + b"}"


def _truncated(payload: Payload) -> bytes:
    raw = orjson.dumps(payload)
    return raw[: len(raw) * 2 // 3]


def _repeated_key(payload: Payload) -> bytes:
    return _with_member(payload, b'"event_time":' + orjson.dumps(payload["event_time"]))


def _deep(_: Payload) -> bytes:
    return b'{"note":' + b"[" * _DEEPER_THAN_ALLOWED + b"]" * _DEEPER_THAN_ALLOWED + b"}"


def _without_time(payload: Payload) -> Payload:
    return {name: value for name, value in payload.items() if name != "event_time"}


def _key_as(kind: Callable[[int], Any]) -> Edit:
    def edit(payload: Payload) -> Payload:
        name = "customer_id" if "customer_id" in payload else "product_id"
        return {**payload, name: kind(payload[name])}

    return edit


def _local_time(payload: Payload) -> Payload:
    return {**payload, "event_time": payload["event_time"].replace("T", " ").removesuffix("Z")}


def _impossible_day(payload: Payload) -> Payload:
    return {**payload, "event_time": payload["event_time"][:4] + "-02-30" + payload["event_time"][10:]}


def _first_line(**values: int) -> Edit:
    def edit(payload: Payload) -> Payload:
        first, *others = payload["lines"]
        return {**payload, "lines": [{**first, **values}, *others]}

    return edit


def _wrong_total(payload: Payload) -> Payload:
    return {**payload, "total_cents": payload["total_cents"] + 1}


def _repeated_line_number(payload: Payload) -> Payload:
    first = payload["lines"][0]
    return {
        **payload,
        "lines": [*payload["lines"], first],
        "total_cents": payload["total_cents"] + first["sales_cents"],
    }


MALFORMATIONS: tuple[Malformation, ...] = (
    Malformation("tombstone", RejectReason.PARSE, lambda _: None),
    Malformation("empty", RejectReason.PARSE, lambda _: b""),
    Malformation("truncated", RejectReason.PARSE, _truncated),
    Malformation("not_utf8", RejectReason.PARSE, lambda p: _with_member(p, b'"note":"\xff\xfe"')),
    Malformation("byte_order_mark", RejectReason.PARSE, lambda p: b"\xef\xbb\xbf" + orjson.dumps(p)),
    Malformation("repeated_key", RejectReason.PARSE, _repeated_key),
    Malformation("two_documents", RejectReason.PARSE, lambda p: orjson.dumps(p) * 2),
    Malformation("not_a_number", RejectReason.PARSE, lambda p: _with_member(p, b'"note":NaN')),
    Malformation("deep_nesting", RejectReason.SIZE, _deep),
    _schema("no_event_time", _without_time),
    _schema("unknown_field", _set(debug=True)),
    _schema("key_as_text", _key_as(str)),
    _schema("key_as_fraction", _key_as(float)),
    _schema("bad_event_id", _set(event_id="not-a-uuid")),
    _schema("local_time", _local_time),
    _schema("impossible_day", _impossible_day),
    Malformation("list_of_events", RejectReason.SCHEMA, lambda p: orjson.dumps([p])),
    _schema("unknown_action", _set(action="hover"), CLICK),
    _schema("impression_without_position", _set(action="impression", product_id=1, position=None), CLICK),
    _schema("position_zero", _set(action="impression", product_id=1, position=0), CLICK),
    _schema("view_without_product", _set(action="view", product_id=None, position=None), CLICK),
    _schema("no_lines", _set(lines=[], total_cents=0), TRANSACTION),
    _schema("negative_cents", _first_line(retail_discount_cents=-1), TRANSACTION),
    _schema("quantity_out_of_range", _first_line(quantity=100_001), TRANSACTION),
    _schema("foreign_currency", _set(currency="EUR"), TRANSACTION, PAYMENT),
    _schema("approved_with_reason", _set(outcome="approved", decline_reason="expired_card"), PAYMENT),
    _schema("negative_stock", _set(on_hand=-1), INVENTORY),
    Malformation("wrong_total", RejectReason.SEMANTIC, _after(_wrong_total), (TRANSACTION,)),
    Malformation("repeated_line_number", RejectReason.SEMANTIC, _after(_repeated_line_number), (TRANSACTION,)),
)
