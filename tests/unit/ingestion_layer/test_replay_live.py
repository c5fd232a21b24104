from __future__ import annotations

from pathlib import Path

import pytest

from ingestion_layer.kafka import replay_live
from ingestion_layer.kafka.replay_live import Position
from shared_utils.errors import DataError
from shared_utils.records import Record, to_line
from shared_utils.settings import KafkaSettings


def write(path: Path, *records: Record) -> None:
    path.write_text("".join(to_line(record) + "\n" for record in records))


def at(topic: str, timestamp_ms: int) -> Record:
    return Record(topic, b"1", b"{}", timestamp_ms)


def test_files_are_merged_by_arrival(tmp_path: Path) -> None:
    write(tmp_path / "a.ndjson", at("a", 1), at("a", 4))
    write(tmp_path / "b.ndjson", at("b", 2), at("b", 3))

    assert [record.topic for record in replay_live.records(tmp_path)] == ["a", "b", "b", "a"]
    assert replay_live.count_lines(tmp_path) == 4


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no spool file"):
        replay_live.records(tmp_path)


def test_the_pace_follows_the_arrival_times() -> None:
    waits: list[float] = []
    stream = [at("a", 0), at("a", 6_000), at("a", 9_000)]

    assert list(replay_live.paced(iter(stream), 3.0, waits.append, clock=lambda: 100.0)) == stream
    assert waits == [0.0, 2.0, 3.0]


def test_at_full_speed_nothing_waits() -> None:
    stream = [at("a", 0), at("a", 10**9)]

    assert len(list(replay_live.paced(iter(stream), 0.0, lambda _: pytest.fail("waited")))) == 2


def test_the_position_holds_for_one_folder_alone(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Position(path, tmp_path / "one").write(7)

    assert Position(path, tmp_path / "one").read() == 7
    assert Position(path, tmp_path / "two").read() == 0
    Position(path, tmp_path / "one").clear()
    assert Position(path, tmp_path / "one").read() == 0


def test_by_the_clock_what_is_due_goes_at_once_and_the_rest_at_its_own_time() -> None:
    waits: list[float] = []
    stream = [at("a", 1_000), at("a", 100_000), at("a", 103_000)]

    paced = replay_live.paced(iter(stream), replay_live.BY_THE_CLOCK, waits.append, wall_clock=lambda: 100.0)

    assert list(paced) == stream
    assert waits == [0.0, 0.0, 3.0]


class Outbox:
    """A producer's place: keeps what is sent, and is killed at the record with this timestamp."""

    sent: list[int]
    killed_at: int | None

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, record: Record) -> None:
        if record.timestamp_ms == self.killed_at:
            raise KeyboardInterrupt
        assert record.timestamp_ms is not None
        self.sent.append(record.timestamp_ms)

    def flush(self) -> None:
        pass


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Outbox:
    outbox = Outbox()
    outbox.sent, outbox.killed_at = [], None
    monkeypatch.setattr(replay_live, "Producer", lambda *_: outbox)
    return outbox


@pytest.fixture
def settings(tmp_path: Path) -> KafkaSettings:
    settings = KafkaSettings(spool_dir=tmp_path / "spool")
    settings.spool_dir.mkdir()
    return settings


def test_a_killed_service_goes_on_where_it_was_and_a_finished_one_sends_nothing(
    tmp_path: Path, outbox: Outbox, settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.ndjson", *(at("a", number) for number in range(1, 6)))
    monkeypatch.setattr(replay_live, "_KEEP_SECONDS", 0.0)

    outbox.killed_at = 4
    with pytest.raises(KeyboardInterrupt):
        replay_live.replay(tmp_path, settings, keep_position=True)
    outbox.killed_at = None
    replay_live.replay(tmp_path, settings, keep_position=True)
    assert outbox.sent == [1, 2, 3, 4, 5]

    assert not replay_live.replay(tmp_path, settings, keep_position=True)


def test_a_service_that_is_told_to_end_keeps_what_it_has_sent_and_the_next_one_sends_the_rest(
    tmp_path: Path, outbox: Outbox, settings: KafkaSettings
) -> None:
    write(tmp_path / "a.ndjson", *(at("a", number) for number in range(1, 6)))
    told = iter([False, False, True])

    first = replay_live.replay(tmp_path, settings, speed=1.0, keep_position=True, wait=lambda _: next(told))
    assert first == {"a": 2}
    replay_live.replay(tmp_path, settings, keep_position=True)

    assert outbox.sent == [1, 2, 3, 4, 5]


def test_a_service_that_is_killed_while_it_waits_has_kept_what_it_has_sent(
    tmp_path: Path, outbox: Outbox, settings: KafkaSettings
) -> None:
    write(tmp_path / "a.ndjson", at("a", 0), at("a", 1), at("a", 60_000))

    def killed(seconds: float) -> bool:
        if seconds > 30:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        replay_live.replay(tmp_path, settings, speed=1.0, keep_position=True, wait=killed)
    replay_live.replay(tmp_path, settings, keep_position=True)

    assert outbox.sent == [0, 1, 60_000]
