"""What the ledger demands of a replay that goes on by the clock, and for whom it waits before it reads the features."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.topics_names import CLICK, FEATURE_TOPICS
from production_ops.ledger.__main__ import main
from production_ops.ledger.model import Seen
from production_ops.ledger.reading import EVENT_TOPICS, LIVE_TOPICS, read_evidence

BEGAN = datetime(2026, 11, 23, tzinfo=UTC)
SENT = (0, 3)


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four records, a minute apart; Kafka holds the first and the last."""
    seen = [Seen(CLICK, 0, offset, 0, b"1", b"{}", {}, number) for offset, number in enumerate(SENT)]
    monkeypatch.setattr("production_ops.ledger.reading.read_topics", lambda *_: {CLICK: seen})
    columns = {
        "spool_id": [0, 1, 2, 3], "topic": [CLICK] * 4, "event_id": list("abcd"), "fate": ["silver"] * 4,
        "fault": ["none"] * 4, "arrival_time": [BEGAN + timedelta(minutes=n) for n in range(4)],
    }  # fmt: skip
    path = tmp_path / "truth" / "fates.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table(columns), path)
    return path


def demanded(truth: Path, due_by: datetime | None) -> list[int]:
    return [sent.number for sent in read_evidence("nowhere:1", truth.parent / "lake", truth, due_by).sent]


def test_what_was_due_and_what_was_sent_must_be_there(truth: Path) -> None:
    assert demanded(truth, BEGAN) == [0, 3]
    assert demanded(truth, BEGAN + timedelta(minutes=1)) == [0, 1, 3]
    assert demanded(truth, None) == [0, 1, 2, 3]


def test_a_record_that_was_due_and_is_not_there_is_lost(
    truth: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOP_KAFKA__BOOTSTRAP_SERVERS", "nowhere:1")
    run = truth.parents[1]
    assert main(["--run-dir", str(run), "--due-by", "2026-11-23T00:01:30"]) == 1
    assert "lost in kafka: b: not in shop.click.v1" in capsys.readouterr().out
    assert main(["--run-dir", str(run), "--due-by", "2026-11-23T00:00:30Z"]) == 0


def test_the_features_are_read_after_each_reader_that_is_waited_for(
    truth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []

    def topics(_: str, names: object) -> dict[str, list[Seen]]:
        done.append(names)
        return {}

    monkeypatch.setattr("production_ops.ledger.reading.read_topics", topics)
    monkeypatch.setattr("production_ops.ledger.reading.wait_until_read", lambda _, *reader: done.append(reader))
    monkeypatch.setenv("SHOP_KAFKA__BOOTSTRAP_SERVERS", "nowhere:1")
    readers = (f"--wait-for=flink={CLICK}", f"--wait-for=writer={','.join(FEATURE_TOPICS)}")

    main(["--run-dir", str(truth.parents[1]), *readers])

    assert done == [EVENT_TOPICS, ("flink", [CLICK]), ("writer", list(FEATURE_TOPICS)), LIVE_TOPICS]


@pytest.mark.parametrize("reader", ["writer", "=shop.click.v1", "writer=", "writer=a,,b"])
def test_a_reader_without_its_topics_is_refused(reader: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--wait-for", reader])
    assert f"'{reader}' is not GROUP=TOPIC,..." in capsys.readouterr().err
