"""Writes to the online store: a record never gives way to an older one.

Order: event time, then created time. An equal event time with a newer created time is a correction and wins; an equal
pair is the same materialization run again and writes again. Redis compares and sets in one step, so concurrent writers
cannot undo each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from redis import Redis, RedisError

from feature_store.core.catalogue import load_catalogue
from feature_store.core.packing import Stamp, Value, view_layout
from feature_store.online_store.keys import CUSTOMER_VIEW, MEMORY_VIEW, PRODUCT_TABLE_KEY, record_key
from shared_utils.errors import DependencyError

# Bytes 1-16 of a blob name its layout (a blob of another layout always gives way), 17-32 hold event and created time;
# Lua's doubles hold microseconds exactly until the year 2255.
PUT_IF_NOT_OLDER = """
local held = redis.call('GETRANGE', KEYS[1], 0, 31)
if #held == 32 and string.sub(held, 1, 16) == string.sub(ARGV[1], 1, 16) then
  local event, created = struct.unpack('<i8i8', string.sub(held, 17, 32))
  local new_event, new_created = struct.unpack('<i8i8', string.sub(ARGV[1], 17, 32))
  if new_event < event or (new_event == event and new_created < created) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
PIPELINE_RECORDS = 200


class WriteCounts(NamedTuple):
    """How many records were stored, and how many gave way to a newer one that was there."""

    written: int
    refused: int


def put_records(redis: Redis, records: Iterable[tuple[str, bytes]]) -> WriteCounts:
    """Store (key, blob) pairs unless something newer is there.

    Raises:
        DependencyError: Redis does not answer; what was stored before stays, and a second run completes it.
    """
    answers: list[int] = []
    script = redis.register_script(PUT_IF_NOT_OLDER)
    try:
        for chunk in _chunks(records):
            with redis.pipeline(transaction=False) as pipe:
                for key, blob in chunk:
                    script(keys=[key], args=[blob], client=pipe)
                answers += pipe.execute()
    except RedisError as exc:
        raise DependencyError(
            f"The online store does not take writes ({exc}).", "Start Redis and run the materialization again."
        ) from exc
    return WriteCounts(sum(answers), len(answers) - sum(answers))


def _chunks(records: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    rest = iter(records)
    while chunk := list(islice(rest, PIPELINE_RECORDS)):
        yield chunk


def write_customer(
    redis: Redis, customer_id: int, stamp: Stamp, customer: Mapping[str, Value], pairs: Mapping[str, Value]
) -> WriteCounts:
    """Store both parts of one customer from gold column names; `pairs` are parallel arrays ordered by product id."""
    parts = ((CUSTOMER_VIEW, customer), (MEMORY_VIEW, pairs))
    return put_records(redis, [_customer_record(name, customer_id, stamp, values) for name, values in parts])


def _customer_record(name: str, customer_id: int, stamp: Stamp, values: Mapping[str, Value]) -> tuple[str, bytes]:
    view = load_catalogue().view(name)
    named = {view.feature_name(column): value for column, value in values.items()}
    return record_key(name, customer_id), view_layout(view).pack(stamp, named)


def write_product_table(redis: Redis, blob: bytes) -> WriteCounts:
    """Store a packed product table unless a newer one is there."""
    return put_records(redis, [(PRODUCT_TABLE_KEY, blob)])
