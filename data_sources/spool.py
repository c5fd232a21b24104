"""The live stream as files: records in the order of their arrival, and the truth that only the checker reads."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from data_sources.events import Events
from shared_utils.time_utils import EPOCH

SPOOL_ID_HEADER = "spool_id"
SPOOL_FILE = Path("live") / "events.ndjson"
MANIFEST_FILE = Path("live") / "manifest.json"
FATES_FILE = Path("truth") / "fates.parquet"
SCHEMA_VERSION = "1"
_INSTANT = pa.timestamp("ms", tz="UTC")


def write_spool(out: Path, stream: Events, **about: object) -> dict[str, object]:
    """Write the spool, its manifest and the truth under `out`; gives the manifest. `stream` is ordered by arrival.

    A record's `spool_id` is its line, from 0. `about` is added to the manifest.
    """
    for path in (SPOOL_FILE, FATES_FILE):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
    with (out / SPOOL_FILE).open("wb") as spool:
        spool.writelines(_records(stream))
    pq.write_table(_fates(stream), out / FATES_FILE, compression="zstd")
    manifest = _manifest(stream) | about
    (out / MANIFEST_FILE).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return manifest


def _records(stream: Events) -> Iterator[bytes]:
    columns = zip(stream.topics, stream.keys, stream.values, stream.arrival_ms.tolist(), stream.traces, strict=True)
    for spool_id, (topic, key, value, timestamp_ms, trace) in enumerate(columns):
        yield orjson.dumps(
            {
                "spool_id": spool_id,
                "topic": topic,
                "key": key,
                "value_b64": None if value is None else b64encode(value).decode(),
                "timestamp_ms": timestamp_ms,
                # The producer's own number goes along, so that the ledger finds each record's coordinate.
                "headers": {"schema_version": SCHEMA_VERSION, "traceparent": trace, SPOOL_ID_HEADER: str(spool_id)},
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


def _fates(stream: Events) -> pa.Table:
    return pa.table(
        {
            "spool_id": pa.array(range(len(stream)), pa.int64()),
            "topic": stream.topics,
            "event_id": pa.array(stream.event_ids, pa.string()),
            "fate": stream.fates,
            "fault": stream.faults,
            "event_time": pa.array(stream.event_ms, pa.int64()).cast(_INSTANT),
            "arrival_time": pa.array(stream.arrival_ms, pa.int64()).cast(_INSTANT),
        }
    )


def _manifest(stream: Events) -> dict[str, object]:
    return {
        "records": len(stream),
        "records_by_topic": dict(sorted(Counter(stream.topics).items())),
        "value_bytes": sum(len(value) for value in stream.values if value is not None),
        "first_arrival": _instant(int(stream.arrival_ms.min())),
        "last_arrival": _instant(int(stream.arrival_ms.max())),
    }


def _instant(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, tz=EPOCH.tzinfo)
