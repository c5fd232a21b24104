"""A journey is readable in 80 columns, and whole as JSON."""

from __future__ import annotations

import io
import json

import orjson
import pytest
from rich.console import Console

from production_ops.trace.__main__ import main
from production_ops.trace.core.journey import Journey
from production_ops.trace.report import as_json, bars, duration, print_journey
from tests.fakes.traced_click import Past, click, traceparent


def made() -> tuple[Past, Journey]:
    past, view = Past(), click("view", 5)
    past.arrives(view, 5.02)
    past.counted(view, 5.12, 1, stood=6.12)
    past.decides(66.12, view)
    return past, past.journey_of(view)


def printed(journey: Journey) -> str:
    out = io.StringIO()
    print_journey(journey, "build/demo", Console(file=out, width=80, highlight=False))
    return out.getvalue()


def test_it_fits_80_columns_with_the_longest_reasons() -> None:
    past, journey = made()
    for number in range(8):
        past.decides(70 + number, click(f"unknown {number}", 69))
    for each in (journey, past.journey_of(past.clicks[0][0])):
        assert max(map(len, printed(each).splitlines())) <= 80


def test_each_hop_has_its_line_and_no_evidence_is_said() -> None:
    _, journey = made()
    text = printed(journey)
    for name, delay in (("kafka", "20 ms"), ("flink customer", "100 ms"), ("redis customer", "1 s"), ("read", "1 min")):
        assert any(line.startswith(name) and delay in line for line in text.splitlines()), name
    assert "lake silver    no evidence" in text
    assert "All 2 headers" in text


def test_a_broken_trace_is_said_and_not_called_whole() -> None:
    past, journey = made()
    view = past.clicks[0][0]
    past.decides(70, view, header=traceparent(view).replace(traceparent(view)[3:5], b"ee", 1))
    journey = past.journey_of(view)
    text = printed(journey)
    assert f"does not match in: decision {journey.decisions[1].event_id}" in text
    assert "DIFFERS" in text
    assert "All " not in text
    assert as_json(journey, "here")["mismatches"] == [f"decision {journey.decisions[1].event_id}"]


def test_without_a_header_to_compare_nothing_is_called_whole() -> None:
    past, view = Past(), click("view", 5)
    past.arrives(view, 5.02)
    assert "All " not in printed(past.journey_of(view))


def test_bars_start_where_the_hop_before_ended_and_grow_by_tenfold_steps() -> None:
    _, journey = made()
    lines = {line[:16].strip(): line[16:] for line in bars(journey)}

    def span(name: str) -> tuple[int, int]:
        return lines[name].index("█"), lines[name].rindex("█") + 1

    assert span("kafka")[1] == span("flink customer")[0]
    assert span("flink customer")[1] == span("redis customer")[0]
    assert lines["since produced"].index("1s") <= span("redis customer")[1]
    assert all(len(line) <= 80 for line in bars(journey))
    assert "flink product" not in lines


def test_a_clock_that_runs_behind_is_shown_below_zero() -> None:
    past, view = Past(), click("view", 5)
    past.arrives(view, 4.98)
    journey = past.journey_of(view)
    assert "-20 ms" in printed(journey)
    assert next(line for line in bars(journey) if line.startswith("kafka")).split() == ["kafka", "█", "-20", "ms"]


def test_json_names_every_hop_and_every_decision() -> None:
    past, _ = made()
    past.decides(70, None)
    found = json.loads(orjson.dumps(as_json(past.journey_of(past.clicks[0][0]), "build/demo")))
    assert [hop["hop"] for hop in found["hops"]][:2] == ["produced", "kafka"]
    assert found["hops"][1]["delay_ms"] == 20
    assert found["hops"][0]["at"] == "2026-11-28T12:00:05.000Z"
    assert [decision["used"] for decision in found["decisions"]] == [True, False]
    assert found["decisions"][0]["trace_id"] == found["trace_id"]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 ms"), (999, "999 ms"), (1_250, "1.25 s"), (60_000, "1 min"), (-90_000, "-1.5 min"), (3_600_000, "1 h"),
     (129_600_000, "1.5 d")],
)  # fmt: skip
def test_durations(ms: int, text: str) -> None:
    assert duration(ms) == text


def test_an_id_that_is_none_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--event-id", "not-a-uuid"])
    assert end.value.code == 2
    assert "--event-id" in capsys.readouterr().err
