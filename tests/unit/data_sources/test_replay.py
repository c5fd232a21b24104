from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from contracts.topics_names import CLICK, SHOP_TOPICS, TRANSACTION
from data_sources import complete_journey
from data_sources.calendar import Calendar
from data_sources.payments.plant_fraud import FRAUD_FILE
from data_sources.replay import build_live, main
from data_sources.spool import FATES_FILE, MANIFEST_FILE, SPOOL_FILE
from shared_utils.errors import DataError

_SLICE = ["--limit-customers", "25"]
_FILES = (SPOOL_FILE, MANIFEST_FILE, FATES_FILE, FRAUD_FILE)


def _bytes(out: Path) -> list[bytes]:
    return [(out / file).read_bytes() for file in _FILES]


def test_two_runs_give_equal_bytes_in_any_process(tmp_path: Path) -> None:
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "data_sources.replay", "--out", str(tmp_path / hash_seed), *_SLICE]
        env = {"PYTHONHASHSEED": hash_seed, "SHOP_CALENDAR__LIVE_END": "2026-11-09"}
        subprocess.run(command, check=True, env=env, capture_output=True)
    assert _bytes(tmp_path / "1") == _bytes(tmp_path / "2")


def test_another_seed_gives_another_stream(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        main(["--out", str(tmp_path / seed), "--seed", seed, *_SLICE])
    one, two = (_bytes(tmp_path / seed)[0] for seed in ("1", "2"))
    assert one != two


def test_the_command_shows_every_fate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--out", str(tmp_path), *_SLICE])
    shown = capsys.readouterr().out
    for word in ("silver", "late", "duplicate", "quarantine:FUTURE", "records in"):
        assert word in shown


def test_a_slice_without_baskets_says_what_to_do(calendar: Calendar) -> None:
    with pytest.raises(DataError, match="limit-customers"):
        build_live(calendar, 1, limit_customers=0)


def test_the_whole_stream_has_its_size_and_every_basket(calendar: Calendar) -> None:
    stream = build_live(calendar, 20170101)
    live = complete_journey.lines(calendar, calendar.live_start, calendar.live_end)
    kept = [fate in ("silver", "late") for fate in stream.fates]
    baskets = [
        event_id
        for event_id, topic, k in zip(stream.event_ids, stream.topics, kept, strict=True)
        if k and topic == TRANSACTION
    ]
    counts = Counter(stream.topics)
    assert len(live) == 58_012
    assert len(baskets) == len(set(baskets)) == len(live.basket_starts()) == 5_908
    assert 150_000 <= len(stream) <= 250_000
    assert set(counts) == set(SHOP_TOPICS)
    assert counts[CLICK] > len(stream) / 2
    assert stream.arrival_ms.max() < calendar.live_end.timestamp() * 1000
