from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from batch_processing.interval import Interval
from batch_processing.spark_jobs.load_archive import load, parse, read_lines, run, transform
from contracts.topics_names import CLICK, TRANSACTION
from data_lake.catalog import BRONZE_CLICK, BRONZE_TRANSACTION
from data_lake.compare import content_hash, read_table
from shared_utils.errors import DataError
from shared_utils.settings import LakeSettings, Settings
from shared_utils.time_utils import epoch_day
from tests.fakes.batch_lake import Sent, write_kafka_rows

DAY = date(2026, 3, 1)
NEXT = DAY + timedelta(days=1)


def event(time: str, customer: int = 7) -> bytes:
    return f'{{"event_id":"e","event_time":"{time}","customer_id":{customer}}}'.encode()


def archive(root: Path, days: dict[date, list[bytes]], name: str = "transactions.ndjson.gz") -> Path:
    for day, lines in days.items():
        folder = root / f"day={day}"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    return root


def test_a_line_becomes_a_row_as_received() -> None:
    (row,) = transform([event("2026-03-01T23:59:30.250Z")], DAY).to_pylist()
    assert row["value"] == event("2026-03-01T23:59:30.250Z")
    assert (row["partition"], row["offset"]) == (-1, epoch_day(DAY) * 1_000_000)
    assert (row["key"], row["source"], row["topic"]) == ("7", "pos_archive", TRANSACTION)
    assert row["arrival_time"] == datetime(2026, 3, 2, 0, 0, 30, 250_000, tzinfo=UTC)
    assert row["ingest_date"] == NEXT


@pytest.mark.parametrize("value", [b"", b"{", b"\xff\xfe", b'{"event_time":"yesterday"}'])
def test_a_broken_line_is_kept_and_arrives_at_the_days_close(value: bytes) -> None:
    (row,) = transform([value], DAY).to_pylist()
    assert row["value"] == value
    assert row["key"] is None
    assert row["arrival_time"] == datetime(2026, 3, 2, tzinfo=UTC)


def test_the_last_minute_belongs_to_the_next_day(tmp_path: Path) -> None:
    folder = archive(tmp_path, {DAY: [event("2026-03-01T10:00:00.000Z"), event("2026-03-01T23:59:59.000Z")]})
    assert load(folder, Interval(DAY, NEXT)).num_rows == 1
    assert load(folder, Interval(NEXT, NEXT + timedelta(days=1)))["offset"].to_pylist() == [
        epoch_day(DAY) * 1_000_000 + 1
    ]


def test_missing_and_truncated_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no day"):
        load(tmp_path, Interval(DAY, NEXT))
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(event("2026-03-01T10:00:00.000Z"))[:-9])
    with pytest.raises(DataError, match="cannot be read"):
        read_lines(path)


def test_clicks_go_to_their_own_table(tmp_path: Path) -> None:
    settings = Settings(env="test", lake=LakeSettings(root=tmp_path / "lake"))
    folder = archive(tmp_path / "archive", {DAY: [event("2026-03-01T10:00:00.000Z")]}, "clicks.ndjson.gz")
    days = ["--start", str(DAY), "--end", str(NEXT), "--archive", str(folder)]

    with pytest.raises(DataError, match="holds no day"):
        run(parse(days), settings)
    run(parse([*days, "--topic", CLICK]), settings)

    (row,) = read_table(BRONZE_CLICK, settings.lake.root).to_pylist()
    assert (row["topic"], row["source"], row["partition"]) == (CLICK, "click_archive", -1)


def test_a_reload_gives_equal_bytes_and_keeps_the_rows_from_kafka(tmp_path: Path) -> None:
    settings = Settings(env="test", lake=LakeSettings(root=tmp_path / "lake"))
    folder = archive(tmp_path / "archive", {DAY: [event("2026-03-01T10:00:00.000Z", n) for n in range(1, 4)]})
    arguments = parse(["--start", str(DAY), "--end", str(NEXT), "--archive", str(folder)])
    run(arguments, settings)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    write_kafka_rows(settings.lake.root, [Sent(TRANSACTION, b"{}", noon, "quarantine")])
    first = content_hash(read_table(BRONZE_TRANSACTION, settings.lake.root), BRONZE_TRANSACTION.key)
    run(arguments, settings)
    rows = read_table(BRONZE_TRANSACTION, settings.lake.root)
    assert content_hash(rows, BRONZE_TRANSACTION.key) == first
    assert sorted(rows["source"].to_pylist()) == ["kafka", "pos_archive", "pos_archive", "pos_archive"]
