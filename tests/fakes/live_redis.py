"""The live part of a Redis as a value that two orders of delivery can be compared by."""

from __future__ import annotations

from typing import cast

from redis import Redis

from feature_store.core.live_windows import WINDOWS
from feature_store.online_store.keys import LIVE_ACTIVITY, LIVE_MARK_KEY, record_key
from feature_store.online_store.live_store import SPAN_FIELD

_OFFSET = slice(17, 25)


def content(redis: Redis) -> dict[str, object]:
    """Every live key with its value. Left out: offsets, which name the delivery, and the activity of minutes that no
    window reaches any more, which expires by itself.
    """
    found: dict[str, object] = {}
    for raw in redis.scan_iter("shop:live_*"):
        key = cast(bytes, raw)
        kind = cast(bytes, redis.type(key))
        if kind == b"hash":
            fields = cast("dict[bytes, bytes]", redis.hgetall(key))
            found[key.decode()] = {f: v if f == SPAN_FIELD else _without_offset(v) for f, v in fields.items()}
        elif kind == b"zset":
            found[key.decode()] = redis.zrange(key, 0, -1, withscores=True)
        elif key.decode() != LIVE_MARK_KEY:
            found[key.decode()] = _without_offset(cast(bytes, redis.get(key)))
    return {key: value for key, value in found.items() if not _is_over(key, found)}


def _is_over(key: str, found: dict[str, object]) -> bool:
    prefix = record_key(LIVE_ACTIVITY) + ":"
    minutes = [int(other.removeprefix(prefix)) for other in found if other.startswith(prefix)]
    return key.startswith(prefix) and int(key.removeprefix(prefix)) <= max(minutes) - WINDOWS["1h"]


def _without_offset(blob: bytes) -> bytes:
    return blob[: _OFFSET.start] + blob[_OFFSET.stop :]
