"""The live part of Redis: a newer record takes the place of an older one, whatever the order of delivery.

A customer is one hash of minutes, so that reading one is a single command. Old minutes go when a newer one comes, whole
keys when nothing came for longer than the longest window. What is stored is a function of the set of records put, not
of their order or repetition.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar, cast

from redis import Redis, RedisError
from redis.exceptions import NoScriptError

from feature_store.core.live_packing import stamp_of
from feature_store.core.live_windows import WINDOWS
from feature_store.online_store.keys import (
    LIVE_ACTIVITY,
    LIVE_CUSTOMER,
    LIVE_MARK_KEY,
    LIVE_PRODUCT,
    LIVE_VISIT,
    record_key,
)
from feature_store.online_store.live_records import CustomerMinute, LiveUpdate, ProductMinute, Visit
from shared_utils.errors import DependencyError

SPAN_FIELD: Final = b"span"
RETAINED_MINUTES: Final = WINDOWS["24h"] + 60
"""Minutes kept before an entity's newest one: the longest window, and an hour for a reader that lags behind."""
MINUTES_TTL_SECONDS: Final = 60 * RETAINED_MINUTES + 3_600
ACTIVITY_TTL_SECONDS: Final = 7_200
VISIT_TTL_SECONDS: Final = 30 * 86_400
RECORDS_PER_CALL: Final = 256
"""Redis does nothing else while a script runs: about 3 ms for this many."""

_IS_NEWER: Final = """
local function is_newer(held, given)
  if not held or string.byte(held) ~= string.byte(given) then return true end
  local a, b, c = struct.unpack('<i8i8i8', held, 2)
  local x, y, z = struct.unpack('<i8i8i8', given, 2)
  return x > a or (x == a and (y > b or (y == b and z > c)))
end
"""
# The span (newest and oldest minute) tells without looking at every field whether something is too old.
_PUT: Final = (
    _IS_NEWER
    + """
local kept, ttl = tonumber(ARGV[1]), ARGV[2]
local function put(key, minute, blob)
  local number = tonumber(minute)
  local held = redis.call('HMGET', key, 'span', minute)
  local newest, oldest = number, number
  if held[1] then newest, oldest = struct.unpack('<i8i8', held[1]) end
  if number <= newest - kept or not is_newer(held[2], blob) then return 0 end
  newest, oldest = math.max(newest, number), math.min(oldest, number)
  redis.call('HSET', key, minute, blob)
  if oldest <= newest - kept then
    oldest = newest
    for _, field in ipairs(redis.call('HKEYS', key)) do
      local other = tonumber(field)
      if other and other <= newest - kept then redis.call('HDEL', key, field)
      elseif other then oldest = math.min(oldest, other) end
    end
  end
  redis.call('HSET', key, 'span', struct.pack('<i8i8', newest, oldest))
  redis.call('EXPIRE', key, ttl)
  return 1
end
local written = 0
"""
)
PUT_CUSTOMERS: Final = (
    _PUT
    + """
for i = 1, #KEYS do written = written + put(KEYS[i], ARGV[2 * i + 1], ARGV[2 * i + 2]) end
return written
"""
)
PUT_PRODUCTS: Final = (
    _PUT
    + """
for i = 1, #KEYS / 2 do
  if put(KEYS[2 * i - 1], ARGV[4 * i], ARGV[4 * i + 1]) == 1 then
    redis.call('ZADD', KEYS[2 * i], ARGV[4 * i + 2], ARGV[4 * i + 3])
    redis.call('EXPIRE', KEYS[2 * i], ARGV[3])
    written = written + 1
  end
end
return written
"""
)
PUT_VISITS: Final = (
    _IS_NEWER
    + """
local written = 0
for i = 1, #KEYS do
  if is_newer(redis.call('GET', KEYS[i]), ARGV[i + 1]) then
    redis.call('SET', KEYS[i], ARGV[i + 1], 'EX', ARGV[1])
    written = written + 1
  end
end
return written
"""
)
_RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
"""
_COMPLETE: Final = b"complete"
_FILLING_SECONDS: Final = 30
_SHA: Final = {
    script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (PUT_CUSTOMERS, PUT_PRODUCTS, PUT_VISITS)
}
_Update = TypeVar("_Update")


class Mark(StrEnum):
    """Whether the live part of Redis is whole. A store that lost its memory lost its mark too."""

    EMPTY = "empty"
    FILLING = "filling"
    COMPLETE = "complete"


class PutCounts(NamedTuple):
    """How many records changed the store, and how many gave way to a newer or equal one."""

    written: int
    outdated: int


class _Call(NamedTuple):
    script: str
    keys: list[str]
    values: list[int | bytes]


class LiveStore:
    """Writes live records. Safe to share between threads, as the client is."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def put(self, updates: Sequence[LiveUpdate]) -> PutCounts:
        """Store what is newer than what is there; all in one round trip.

        Raises:
            DependencyError: Redis does not take it; a part may be stored, and putting all again completes it.
        """
        calls = list(_calls(newest_of(updates)))
        try:
            try:
                written = self._run(calls)
            except NoScriptError:  # a Redis that was restarted knows none
                for script in (PUT_CUSTOMERS, PUT_PRODUCTS, PUT_VISITS):
                    self._redis.script_load(script)
                written = self._run(calls)
        except RedisError as exc:
            raise _no_answer(exc) from exc
        return PutCounts(written, len(updates) - written)

    def _run(self, calls: Sequence[_Call]) -> int:
        # Not redis.Script: in a pipeline it asks before each run whether the server knows it, a second round trip.
        with self._redis.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.evalsha(_SHA[call.script], len(call.keys), *call.keys, *call.values)
            return sum(cast("list[int]", pipe.execute()))

    def held(self, updates: Sequence[LiveUpdate]) -> int:
        """How many of these places hold this update or a newer one. Raises DependencyError."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for update in updates:
                    match update:
                        case CustomerMinute():
                            pipe.hget(record_key(LIVE_CUSTOMER, update.customer_id), str(update.minute))
                        case ProductMinute():
                            pipe.hget(record_key(LIVE_PRODUCT, update.product_id), str(update.minute))
                        case Visit():
                            pipe.get(record_key(LIVE_VISIT, update.customer_id))
                blobs = cast("list[bytes | None]", pipe.execute())
        except RedisError as exc:
            raise _no_answer(exc) from exc
        pairs = zip(updates, blobs, strict=True)
        return sum(blob is not None and stamp_of(blob) >= stamp_of(update.blob) for update, blob in pairs)

    def mark(self) -> Mark:
        """What the store says of itself. Raises DependencyError."""
        try:
            value = cast("bytes | None", self._redis.get(LIVE_MARK_KEY))
        except RedisError as exc:
            raise _no_answer(exc) from exc
        return Mark.EMPTY if value is None else Mark.COMPLETE if value == _COMPLETE else Mark.FILLING

    def begin_filling(self) -> bytes:
        """Say that it is being filled; gives the token of this filling. Raises DependencyError."""
        token = uuid.uuid4().bytes
        try:
            self._redis.set(LIVE_MARK_KEY, token, ex=_FILLING_SECONDS)
        except RedisError as exc:
            raise _no_answer(exc) from exc
        return token

    def is_filling(self, token: bytes, *, complete: bool = False) -> bool:
        """Renew the mark of this filling, or turn it into COMPLETE; False when it is gone: what was put is lost again.

        Raises:
            DependencyError: Redis does not answer.
        """
        try:
            return bool(
                self._redis.eval(_RENEW, 1, LIVE_MARK_KEY, token, _COMPLETE if complete else b"", _FILLING_SECONDS)
            )
        except RedisError as exc:
            raise _no_answer(exc) from exc


def _calls(updates: Sequence[LiveUpdate]) -> Iterator[_Call]:
    for customers in _chunks([u for u in updates if isinstance(u, CustomerMinute)]):
        keys = [record_key(LIVE_CUSTOMER, u.customer_id) for u in customers]
        values = [value for u in customers for value in (u.minute, u.blob)]
        yield _Call(PUT_CUSTOMERS, keys, [RETAINED_MINUTES, MINUTES_TTL_SECONDS, *values])
    for products in _chunks([u for u in updates if isinstance(u, ProductMinute)]):
        pairs = [(record_key(LIVE_PRODUCT, u.product_id), record_key(LIVE_ACTIVITY, u.minute)) for u in products]
        values = [value for u in products for value in (u.minute, u.blob, u.activity, u.product_id)]
        ages = [RETAINED_MINUTES, MINUTES_TTL_SECONDS, ACTIVITY_TTL_SECONDS]
        yield _Call(PUT_PRODUCTS, [key for pair in pairs for key in pair], [*ages, *values])
    for visits in _chunks([u for u in updates if isinstance(u, Visit)]):
        keys = [record_key(LIVE_VISIT, u.customer_id) for u in visits]
        yield _Call(PUT_VISITS, keys, [VISIT_TTL_SECONDS, *(u.blob for u in visits)])


def _chunks(updates: Sequence[_Update]) -> Iterator[Sequence[_Update]]:
    for start in range(0, len(updates), RECORDS_PER_CALL):
        yield updates[start : start + RECORDS_PER_CALL]


def newest_of(updates: Iterable[LiveUpdate]) -> list[LiveUpdate]:
    """The newest update of each place: in a backlog, a minute is written once."""
    newest: dict[tuple[object, ...], LiveUpdate] = {}
    for update in updates:
        place = place_of(update)
        held = newest.get(place)
        if held is None or stamp_of(update.blob) > stamp_of(held.blob):
            newest[place] = update
    return list(newest.values())


def place_of(update: LiveUpdate) -> tuple[object, ...]:
    """Where an update is stored: two of one place exclude each other."""
    if isinstance(update, Visit):
        return (Visit, update.customer_id)
    return (type(update), *update[:2])


def _no_answer(exc: RedisError) -> DependencyError:
    return DependencyError(f"The online store does not take live records ({exc}).", "Start Redis, or give it memory.")
