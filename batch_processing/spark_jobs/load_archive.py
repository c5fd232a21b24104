"""Load an archive into bronze, as received: that of the tills, or with `--topic shop.click.v1` that of the web shop.

Reads: `ARCHIVE/day=YYYY-MM-DD/{transactions,clicks}.ndjson.gz`. Writes: bronze.transaction (only rows of source
pos_archive), bronze.click (only rows of source click_archive).
Grain: one row per archive line. No engine is involved: the lines go from gzip to Arrow to Delta unparsed.
"""

from __future__ import annotations

import gzip
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from deltalake import write_deltalake

from batch_processing.interval import Interval, interval_of, job_parser
from contracts.topics_names import CLICK, TRANSACTION
from data_lake import tables
from data_lake.catalog import BRONZE_OF_TOPIC, Table
from data_lake.storage import root_of, storage_options
from data_lake.transforms.bronze import ARCHIVE_PARTITION, SOURCE_CLICK_ARCHIVE, SOURCE_POS_ARCHIVE
from data_sources.pos_logs.archive import ARCHIVE_DELAY_MS, ARCHIVE_FILE
from data_sources.user_activity.archive import CLICK_ARCHIVE_FILE
from shared_utils.cli import run_main
from shared_utils.errors import DataError
from shared_utils.settings import Settings, load_settings
from shared_utils.time_utils import day_start, epoch_day

log = structlog.get_logger(__name__)

LINES_PER_DAY_LIMIT: Final = 1_000_000
_TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
_HEADERS: Final = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_EVENT_TIME: Final = r'"event_time":"(?P<event_time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12})Z"'
_CUSTOMER: Final = r'"customer_id":(?P<customer_id>[0-9]+)'


@dataclass(frozen=True, slots=True)
class Archive:
    """What lies in an archive, and what its rows are called in bronze."""

    topic: str
    file_name: str
    source: str
    writer: str

    @property
    def table(self) -> Table:
        """The bronze table."""
        return BRONZE_OF_TOPIC[self.topic]


POS: Final = Archive(TRANSACTION, ARCHIVE_FILE, SOURCE_POS_ARCHIVE, "pos_logs.write_archive")
CLICKS: Final = Archive(CLICK, CLICK_ARCHIVE_FILE, SOURCE_CLICK_ARCHIVE, "user_activity.write_archive")
ARCHIVES: Final = {each.topic: each for each in (POS, CLICKS)}


def transform(values: Sequence[bytes], day: date, archive: Archive = POS) -> pa.Table:
    """Bronze rows of one archive file.

    Grain: one row per line; the offset is epoch day x 1,000,000 + line number, so a re-load gives the same coordinates.
    The archive carries no arrival times: an event counts as arrived 60 s after its event time, a line without a
    readable one at the close of its day. `ingest_time` equals the arrival, because a re-load has to give equal bytes.
    """
    value = pa.array(values, pa.binary())
    event_time = _extract(value, _EVENT_TIME, "event_time").cast(pa.timestamp("us")).cast(_TIMESTAMP)
    arrival = pc.add(event_time, pa.scalar(timedelta(milliseconds=ARCHIVE_DELAY_MS), pa.duration("us")))
    arrival = pc.fill_null(arrival, pa.scalar(day_start(epoch_day(day) + 1), _TIMESTAMP))
    first = epoch_day(day) * LINES_PER_DAY_LIMIT
    count = len(values)
    return pa.table(
        {
            "topic": _constant(archive.topic, count, pa.string()),
            "partition": _constant(ARCHIVE_PARTITION, count, pa.int32()),
            "offset": pa.array(range(first, first + count), pa.int64()),
            "key": _extract(value, _CUSTOMER, "customer_id"),
            "value": value,
            "headers": pa.nulls(count, _HEADERS),
            "arrival_time": arrival,
            "ingest_time": arrival,
            "source": _constant(archive.source, count, pa.string()),
            "ingest_date": arrival.cast(pa.timestamp("us")).cast(pa.date32()),
        }
    )


def read_lines(path: Path) -> list[bytes]:
    """The lines of one archive file, without their ends.

    Raises:
        DataError: the file is no whole gzip file, or holds more lines than the offsets have room for.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).removesuffix(b"\n").split(b"\n")
    except (OSError, EOFError) as exc:
        raise DataError(f"The archive file {path} cannot be read ({exc}).", "Write the archive again.") from exc
    if len(lines) >= LINES_PER_DAY_LIMIT:
        raise DataError(f"The archive file {path} holds {len(lines)} lines.", "Split it: the limit is a million a day.")
    return lines


def load(folder: Path, interval: Interval, archive: Archive = POS) -> pa.Table:
    """The archive's bronze rows whose `ingest_date` lies in the interval.

    Raises:
        DataError: no file of those days exists.
    """
    # The last minute of a day arrives on the next one.
    days = list(_files(folder, interval.widened(before=1), archive.file_name))
    if not days:
        raise DataError(
            f"{folder} holds no day of {interval.start}..{interval.end}.",
            f"Write its {archive.file_name}: python -m data_sources.{archive.writer} --out DIR.",
        )
    rows = pa.concat_tables([transform(read_lines(path), day, archive) for day, path in days])
    arrived = rows["ingest_date"]
    inside = pc.and_(pc.greater_equal(arrived, pa.scalar(interval.start)), pc.less(arrived, pa.scalar(interval.end)))
    return rows.filter(inside)


def parse(argv: Sequence[str] | None) -> Namespace:
    """The job's arguments."""
    parser = job_parser("spark_jobs.load_archive", __doc__)
    parser.add_argument("--archive", type=Path, required=True, help="folder of the archive")
    parser.add_argument("--topic", choices=sorted(ARCHIVES), default=TRANSACTION, help="whose archive it is")
    return parser.parse_args(argv)


def run(arguments: Namespace, settings: Settings) -> None:
    """Overwrite the archive's rows of the interval; rows from Kafka stay."""
    interval = interval_of(arguments)
    archive = ARCHIVES[arguments.topic]
    rows = load(arguments.archive, interval, archive)
    root = root_of(settings)
    path, options = archive.table.path(root), storage_options(root)
    partitions = list(archive.table.partition_by)
    if tables.exists(archive.table, root):
        condition = f"source = '{archive.source}' AND {interval.predicate('ingest_date')}"
        write_deltalake(path, rows, mode="overwrite", predicate=condition, storage_options=options)
    else:
        write_deltalake(path, rows, mode="append", partition_by=partitions, storage_options=options)
    log.info("archive_loaded", rows=rows.num_rows, table=archive.table.full_name)


def main(argv: Sequence[str] | None = None) -> int:
    """Load the archive's days into bronze."""
    run(parse(argv), load_settings())
    return 0


def _files(folder: Path, interval: Interval, file_name: str) -> Iterator[tuple[date, Path]]:
    for number in range(epoch_day(interval.start), epoch_day(interval.end)):
        day = day_start(number).date()
        path = folder / f"day={day}" / file_name
        if path.exists():
            yield day, path


def _extract(value: pa.Array, pattern: str, name: str) -> pa.Array:
    """The first match in each value, null where there is none or where the value is not UTF-8."""
    found = pc.extract_regex(value, pattern=pattern)
    return pc.struct_field(found, name).cast(pa.string())


def _constant(value: object, count: int, kind: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


if __name__ == "__main__":
    run_main(main)
